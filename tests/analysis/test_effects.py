from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from statsmodels.duration.hazard_regression import PHReg  # type: ignore[import-untyped]

from stability_sweep.analysis import effects
from stability_sweep.analysis.effects import hazard_effects
from stability_sweep.typing import Array
from tests.conftest import make_definition

SPACE: dict[str, Any] = {
    "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
    "batch_size": [16, 32, 64, 128],
    "clip_norm": {"low": 0.1, "high": 1000.0, "log": True, "off_share": 0.3},
}
DEFINITION = make_definition(search_space=SPACE)
HORIZON = 500
AT_THE_MIDDLES = (
    "With the interaction in the model, the effect of learning rate holds at batch size 45.3, and that of batch size "
    "at learning rate 0.001."
)


def points(trials: int, seed: int) -> pd.DataFrame:
    """Random points of the search space."""
    generator = np.random.default_rng(seed)
    norm = 10 ** generator.uniform(-1, 3, trials)
    return pd.DataFrame(
        {
            "number": np.arange(trials),
            "learning_rate": 10 ** generator.uniform(-5, -1, trials),
            "batch_size": generator.choice(SPACE["batch_size"], trials),
            "clip_norm": np.where(generator.random(trials) < 0.3, math.inf, norm),
        }
    )


def ended(frame: pd.DataFrame, times: npt.ArrayLike, horizon: int = HORIZON) -> pd.DataFrame:
    """The points as trials that would diverge at `times`; infinity means never."""
    steps = np.asarray(times, dtype=np.float64)
    diverged = steps <= horizon
    watched = pd.Series(np.minimum(steps, horizon).astype(np.int64), dtype="Int64", index=frame.index)
    return frame.assign(
        outcome=np.where(diverged, "diverged", "stable"),
        divergence_step=watched.where(diverged),
        steps=watched,
        horizon=horizon,
    )


def exponential(frame: pd.DataFrame, log_ratios: Array, seed: int) -> Array:
    """Times of divergence at a constant hazard, that of the middle point times the ratios."""
    waits = np.random.default_rng(seed + 10_000).exponential(300 / np.exp(log_ratios))
    times: Array = np.ceil(waits)
    return times


DECADES, DOUBLINGS = -3.0, 5.5
TRUTH = {
    "learning rate, per decade": 0.8,
    "batch size, per doubling": -0.3,
    "clip norm, per decade": 0.0,
    "clip norm off": 0.7,
    "learning rate x batch size": 0.15,
}


def known_world(trials: int, seed: int) -> pd.DataFrame:
    """Trials under a proportional hazards model whose effects are `TRUTH`."""
    frame = points(trials, seed)
    rate = np.log10(frame["learning_rate"].to_numpy()) - DECADES
    batch = np.log2(frame["batch_size"].to_numpy()) - DOUBLINGS
    ratios = 0.8 * rate - 0.3 * batch + 0.15 * rate * batch + 0.7 * np.isinf(frame["clip_norm"].to_numpy())
    return ended(frame, exponential(frame, ratios, seed))


def row(table: pd.DataFrame, effect: str) -> dict[Any, Any]:
    (found,) = table[table["effect"] == effect].to_dict("records")
    return found


def test_the_intervals_hold_the_true_hazard_ratios() -> None:
    # Measured over 300 seeds: 93 to 96% per effect. Nominal intervals fail this once in a thousand sets of seeds.
    tables = [hazard_effects(known_world(200, seed), DEFINITION.space).table for seed in range(30)]
    shares = []
    for effect, truth in TRUTH.items():
        rows = [row(table, effect) for table in tables]
        shares.append(np.mean([r["low"] <= math.exp(truth) <= r["high"] for r in rows]))
        assert shares[-1] >= 0.8, effect
        assert np.mean([math.log(r["hazard_ratio"]) for r in rows]) == pytest.approx(truth, abs=0.12), effect
    assert 0.89 <= np.mean(shares) <= 0.99


def test_with_a_flat_prior_hazard_ratios_are_those_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "PRIOR_SCALE", 1e3)
    frame = known_world(300, 1)
    position = np.log10(np.minimum(frame["clip_norm"], 1000.0))
    decades, doublings = np.log10(frame["learning_rate"]) - DECADES, np.log2(frame["batch_size"]) - DOUBLINGS
    raw = np.column_stack([decades, doublings, position, np.isinf(frame["clip_norm"])])
    raw = np.column_stack([raw, raw[:, 0] * raw[:, 1]])
    status = (frame["outcome"] == "diverged").to_numpy(dtype=np.float64)
    fit = PHReg(frame["steps"].to_numpy(dtype=np.float64), raw, status=status, ties="efron").fit()
    found = hazard_effects(frame, DEFINITION.space)
    assert found.table["effect"].tolist() == list(TRUTH)
    assert np.log(found.table["hazard_ratio"]).tolist() == pytest.approx(fit.params.tolist(), abs=1e-4)
    limits = np.log(found.table[["low", "high"]].to_numpy())
    assert limits == pytest.approx(fit.conf_int(), abs=1e-3)
    assert found.table["p_value"].tolist() == pytest.approx(fit.pvalues.tolist(), abs=1e-3)
    assert found.note == AT_THE_MIDDLES


def test_the_order_of_the_trials_does_not_matter() -> None:
    frame = known_world(120, 2)
    shuffled = frame.sample(len(frame), random_state=0)
    pd.testing.assert_frame_equal(
        hazard_effects(frame, DEFINITION.space).table, hazard_effects(shuffled, DEFINITION.space).table
    )


def test_failed_trials_are_not_counted() -> None:
    frame = known_world(120, 3)
    failed = frame.assign(outcome="failed", divergence_step=None, steps=0, number=frame["number"] + 1000)
    both = pd.concat([frame, failed.astype(frame.dtypes.to_dict())], ignore_index=True)
    pd.testing.assert_frame_equal(
        hazard_effects(both, DEFINITION.space).table, hazard_effects(frame, DEFINITION.space).table
    )


def test_choices_and_linear_ranges_are_named_by_what_is_compared() -> None:
    space = {
        "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
        "batch_size": [16, 32, 48],
        "clip_norm": [1.0, "off"],
        "model.n_lf": 1,
        "model.temperature": {"low": 0.5, "high": 2.0},
        "model.reconstruction_loss": ["mse", "bce"],
    }
    generator = np.random.default_rng(1)
    frame = points(400, 0)
    frame["batch_size"] = generator.choice([16, 32, 48], 400)
    frame["clip_norm"] = generator.choice([1.0, math.inf], 400)
    frame["model.n_lf"] = 1
    frame["model.temperature"] = generator.uniform(0.5, 2.0, 400)
    frame["model.reconstruction_loss"] = generator.choice(["mse", "bce"], 400)
    ratios = 1.0 * (frame["model.reconstruction_loss"] == "bce") - 0.8 * (frame["model.temperature"] - 0.5) / 1.5
    trials = ended(frame, exponential(frame, ratios.to_numpy(), 0))
    found = hazard_effects(trials, make_definition(search_space=space).space).table
    assert found["effect"].tolist() == [
        "learning rate, per decade",
        "batch size, from 16 to 48",
        "clip norm 1 instead of off",
        "model.temperature, from 0.5 to 2",
        "model.reconstruction loss bce instead of mse",
        "learning rate x batch size",
    ]
    assert found["dimension"].iloc[-1] == "learning_rate x batch_size"
    bce, temperature = row(found, "model.reconstruction loss bce instead of mse"), row(found, found["effect"].iloc[3])
    assert bce["low"] < math.exp(1.0) < bce["high"]
    assert bce["p_value"] < 1e-4
    assert temperature["low"] < math.exp(-0.8) < temperature["high"]
    assert bce["trials"] == (frame["model.reconstruction_loss"] == "bce").sum()
    assert temperature["trials"] == 400


def test_a_level_that_was_never_tried_is_no_reference() -> None:
    space = {**SPACE, "model.reconstruction_loss": ["mse", "bce"]}
    frame = known_world(200, 4).assign(**{"model.reconstruction_loss": "bce"})
    found = hazard_effects(frame, make_definition(search_space=space).space)
    assert set(found.table["dimension"]) == {*SPACE, "learning_rate x batch_size"}
    assert "model.reconstruction loss mse instead of bce" in found.note


def test_a_level_without_divergence_has_a_wide_interval_and_the_note_says_what_holds_it() -> None:
    frame = points(300, 5)
    off = np.isinf(frame["clip_norm"].to_numpy())
    times = np.where(off, math.inf, np.random.default_rng(0).integers(1, 900, 300))
    found = hazard_effects(ended(frame, times), DEFINITION.space)
    level = row(found.table, "clip norm off")
    assert level["high"] < 1
    assert level["high"] / level["low"] > 50
    assert f"Mostly held by the prior, for lack of evidence: clip norm off (none of its {off.sum()}" in found.note
    others = found.table[~found.table["effect"].isin(["clip norm, per decade", "clip norm off"])]
    assert (others["low"] < 1.2).all()
    assert (others["high"] > 1 / 1.2).all()


def test_a_dimension_that_decides_the_order_of_divergence_has_a_finite_hazard_ratio() -> None:
    frame = points(200, 6)
    order = np.argsort(np.argsort(-frame["learning_rate"].to_numpy())) + 1
    found = hazard_effects(ended(frame, order, horizon=150), DEFINITION.space).table
    rate, batch = row(found, "learning rate, per decade"), row(found, "batch size, per doubling")
    assert 100 < rate["low"] < rate["high"] < math.inf
    assert batch["low"] < 1 < batch["high"]


def test_many_trials_in_strict_order_end_in_no_overflow() -> None:
    frame = points(3000, 7)
    order = np.argsort(np.argsort(-frame["learning_rate"].to_numpy())) // 5 + 1
    found = hazard_effects(ended(frame, order), DEFINITION.space)
    assert np.isfinite(found.table[["hazard_ratio", "low", "high"]].to_numpy(dtype=np.float64)).all()


@pytest.mark.parametrize(
    ("times", "note"),
    [
        ([math.inf] * 50, "No trial diverged."),
        ([7] * 50, "No trial outlasted another's divergence: there is nothing to compare."),
        ([7], "No trial outlasted another's divergence: there is nothing to compare."),
        ([math.inf], "No trial diverged."),
        ([], "No trial diverged."),
    ],
)
def test_what_cannot_be_estimated_gives_an_empty_table_and_a_note(times: list[float], note: str) -> None:
    found = hazard_effects(ended(points(len(times), 8), times), DEFINITION.space)
    assert found.table.empty
    assert found.table.columns[0] == "effect"
    assert note in found.note


def test_no_effect_is_dropped_for_its_place_in_the_file_when_divergences_are_few() -> None:
    times = [*range(1, 12), *[math.inf] * 60]
    found = hazard_effects(ended(points(71, 9), times), DEFINITION.space)
    assert found.table["dimension"].tolist() == ["learning_rate", "batch_size", "clip_norm", "clip_norm"]
    assert "for the interaction learning rate x batch size." in found.note


def test_one_divergence_gives_intervals_that_say_how_little_is_known() -> None:
    found = hazard_effects(ended(points(50, 8), [3] + [math.inf] * 49), DEFINITION.space).table
    assert len(found) == 4
    assert ((found["low"] < 1) & (found["high"] > 1)).all()


def test_dimensions_that_vary_together_are_not_told_apart() -> None:
    frame = known_world(200, 10)
    frame = frame.assign(batch_size=64, learning_rate=1e-4 * np.minimum(frame["clip_norm"], 1000.0))
    found = hazard_effects(frame, DEFINITION.space)
    assert found.table["effect"].tolist() == ["learning rate, per decade", "clip norm off"]
    assert "not to be told from the other effects: batch size, per doubling; clip norm, per decade." in found.note


def test_many_divergences_in_one_step_are_pointed_out() -> None:
    frame = points(100, 11)
    found = hazard_effects(ended(frame, np.where(frame["learning_rate"] > 1e-3, 3, math.inf)), DEFINITION.space)
    diverged = (frame["learning_rate"] > 1e-3).sum()
    assert f"{diverged} of 100 trials diverged in step 3; such ties pull hazard ratios towards 1." in found.note
    assert row(found.table, "learning rate, per decade")["low"] > 1


def test_a_large_study_is_judged_by_a_sample_that_the_seed_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "MOST_COX_TRIALS", 150)
    frame = known_world(400, 12)
    first, again, other = (hazard_effects(frame, DEFINITION.space, seed=seed) for seed in (0, 0, 1))
    assert first.note == f"From a random sample of 150 of 400 trials. {AT_THE_MIDDLES}"
    assert first.table["trials"].iloc[0] == 150
    pd.testing.assert_frame_equal(first.table, again.table)
    assert first.table["hazard_ratio"].iloc[0] != other.table["hazard_ratio"].iloc[0]
