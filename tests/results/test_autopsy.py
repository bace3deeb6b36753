from __future__ import annotations

import json
import zlib

import pytest

from stability_sweep.errors import TelemetryError
from stability_sweep.results.autopsy import FORMAT, Autopsy, ProbedTensor
from stability_sweep.results.causes import COMMON_SENTENCES
from stability_sweep.targets.rhvae import causes
from stability_sweep.targets.rhvae.causes import CAUSES

TRAIL = (
    ProbedTensor(name="metric.diag", shape=(16, 2), smallest=0.5, largest=131.0),
    ProbedTensor(name="latent[0]", shape=(16, 2), smallest=0.0, largest=7e20),
    ProbedTensor(name="metric.factor", shape=(16, 2, 2), smallest=0.0, largest=1.2e38, infinite=3),
)


def autopsy_of(**overrides: object) -> Autopsy:
    settings: dict[str, object] = {
        "step": 7, "cause": causes.EXP_OVERFLOW, "origin": "metric.factor", "largest_finite": 3.4e38, "trail": TRAIL,
    }  # fmt: skip
    return Autopsy(**{**settings, **overrides})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("origin", "cause"),
    [
        ("weights.decoder.layers.0.0.bias", causes.NON_FINITE_WEIGHTS),
        ("input.images", causes.NON_FINITE_INPUT),
        ("encoder.layers.0.0", causes.NETWORK_OVERFLOW),
        ("encoder.log_var", causes.NETWORK_OVERFLOW),
        ("encoder.sigma", causes.EXP_OVERFLOW),
        ("metric.diag", causes.NETWORK_OVERFLOW),
        ("metric.factor", causes.EXP_OVERFLOW),
        ("metric.inverse[2]", causes.METRIC_OVERFLOW),
        ("metric.log_det[0]", causes.SINGULAR_METRIC),
        ("momentum.half[1]", causes.EXPLODING_MOMENTUM),
        ("latent[1]", causes.EXPLODING_LATENT),
        ("reconstruction[1]", causes.NETWORK_OVERFLOW),
        ("log_likelihood[1]", causes.LIKELIHOOD_OVERFLOW),
        ("loss.momentum", causes.EXPLODING_MOMENTUM),
        ("loss.mean", causes.LOSS_OVERFLOW),
        ("gradient of metric.inverse[2]", causes.NON_FINITE_GRADIENT),
    ],
)
def test_the_cause_follows_from_the_first_non_finite_tensor(origin: str, cause: str) -> None:
    assert CAUSES.cause_of(origin) == cause


@pytest.mark.parametrize("cause", sorted({**COMMON_SENTENCES, **CAUSES.sentences}))
def test_every_cause_has_a_sentence(cause: str) -> None:
    sentence = CAUSES.sentence(autopsy_of(cause=cause, note="a reason"))
    assert sentence.endswith(".")
    assert "{" not in sentence


def test_an_exponential_is_explained_by_what_went_into_it() -> None:
    assert CAUSES.sentence(autopsy_of()) == (
        "metric.factor is an exponential, and overflowed (the largest number is 3.4e+38): the largest number before it "
        "was 131, in metric.diag."
    )


def test_anything_else_by_the_largest_number_before_it() -> None:
    assert "7e+20, in latent[0]" in CAUSES.sentence(autopsy_of(cause=causes.EXPLODING_MOMENTUM, origin="momentum[0]"))
    assert "nothing finite came before it" in CAUSES.sentence(autopsy_of(trail=TRAIL[-1:]))


def test_a_probe_in_words_tells_extremes_and_counts() -> None:
    assert TRAIL[2].in_words() == "metric.factor (16x2x2): |.| from 0 to 1.2e+38, 3 infinite"
    nothing = ProbedTensor(name="loss.mean", shape=(), smallest=None, largest=None, nan=1)
    assert nothing.in_words() == "loss.mean (scalar): 1 NaN"


def test_an_autopsy_survives_its_stored_form() -> None:
    assert Autopsy.from_bytes(autopsy_of(note="ünïcode").to_bytes()) == autopsy_of(note="ünïcode")


def test_an_autopsy_of_a_newer_version_is_told_and_a_damaged_one_too() -> None:
    with pytest.raises(TelemetryError, match="a newer version of stability-sweep wrote this autopsy"):
        Autopsy.from_bytes(zlib.compress(json.dumps({"format": FORMAT + 1}).encode()))
    with pytest.raises(TelemetryError, match="this autopsy is damaged"):
        Autopsy.from_bytes(b"no zlib")


GOOD = json.loads(zlib.decompress(autopsy_of().to_bytes()))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([], "Input should be an object"),
        (None, "Input should be an object"),
        ({**GOOD, "trail": None}, "trail: Input should be a valid"),
        ({**GOOD, "trail": [None]}, "trail.0: Input should be"),
        ({**GOOD, "trail": [{**GOOD["trail"][0], "shape": 3}]}, "trail.0.shape: Input should be a valid"),
        ({**GOOD, "trail": [{**GOOD["trail"][0], "largest": None}]}, "expected both extremes or none"),
        ({**GOOD, "cause": 7}, "cause: Input should be a valid string"),
        ({**GOOD, "step": "seven"}, "step: Input should be a valid integer"),
        ({**GOOD, "format": "new"}, "format: Input should be a valid integer"),
    ],
)
def test_what_is_wrong_with_an_autopsy_is_told_in_one_line(content: object, reason: str) -> None:
    with pytest.raises(TelemetryError) as caught:
        Autopsy.from_bytes(zlib.compress(json.dumps(content).encode()))
    told = str(caught.value)
    assert told.startswith("this autopsy is damaged: ")
    assert reason in told
    assert "\n" not in told


def test_lists_in_lists_in_an_autopsy_are_told() -> None:
    with pytest.raises(TelemetryError, match=r"this autopsy is damaged: .*recursion limit exceeded"):
        Autopsy.from_bytes(zlib.compress(b'{"format": 1, "x": ' + b"[" * 100_000))
