from __future__ import annotations

import json
import math
import tracemalloc
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from stability_sweep.errors import TelemetryError
from stability_sweep.results.autopsy import Autopsy
from stability_sweep.results.telemetry import (
    FORMAT,
    KEPT_PER_DOUBLING,
    LAST_STEPS,
    MOST_BYTES,
    Telemetry,
    is_kept,
)
from stability_sweep.targets.rhvae.signals import SIGNALS

VALUES = st.floats(allow_nan=True, allow_infinity=True, width=64) | st.sampled_from(
    [math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, -0.0, 3.4028234663852886e38, 1e-45]
)


def telemetry_of(rows: int, value: float = 1.0) -> Telemetry:
    return Telemetry(np.arange(1, rows + 1), np.full((rows, len(SIGNALS)), value), tuple(SIGNALS))


@given(st.integers(0, 40).flatmap(lambda n: st_numpy.arrays(np.float64, (n, 3), elements=VALUES)))
def test_every_number_survives_compression_bit_by_bit(values: np.ndarray) -> None:
    steps = np.cumsum(np.arange(1, len(values) + 1))
    first = Telemetry(steps, values, ("a", "b", "c"))
    second = Telemetry.from_bytes(first.to_bytes())
    assert second.signals == ("a", "b", "c")
    assert np.array_equal(second.steps, steps)
    assert np.array_equal(np.signbit(second.values), np.signbit(values)) or np.isnan(values).any()
    assert second.same_bits(first)


def test_numbers_that_float32_holds_take_half_the_room() -> None:
    generator = np.random.default_rng(0)
    noise = generator.standard_normal((150, len(SIGNALS)))
    steps = np.arange(1, 151)
    single = Telemetry(steps, noise.astype(np.float32).astype(np.float64), tuple(SIGNALS))
    assert len(single.to_bytes()) < 0.55 * len(Telemetry(steps, noise, tuple(SIGNALS)).to_bytes())


def test_telemetry_of_a_newer_version_is_told_and_not_misread() -> None:
    head = json.dumps({"format": FORMAT + 1, "whatever": []}).encode()
    with pytest.raises(
        TelemetryError, match=f"a newer version of stability-sweep wrote this telemetry \\(format {FORMAT + 1}"
    ):
        Telemetry.from_bytes(zlib.compress(head + b"\nunknown"))


@pytest.mark.parametrize("content", [b"", b"no zlib", zlib.compress(b"no json\n"), telemetry_of(9).to_bytes()[:-9]])
def test_damaged_telemetry_is_told(content: bytes) -> None:
    with pytest.raises(TelemetryError, match="this telemetry is damaged"):
        Telemetry.from_bytes(content)


def test_thinning_keeps_every_early_step_and_24_per_doubling_after() -> None:
    kept = [step for step in range(1, 20_001) if is_kept(step)]
    assert kept[:34] == list(range(1, 35))
    for start in (64, 512, 8192):
        assert sum(start < step <= 2 * start for step in kept) == KEPT_PER_DOUBLING
    assert len(kept) < 280


def test_the_first_difference_is_the_first_common_step_with_another_bit() -> None:
    first, second = telemetry_of(10), telemetry_of(10)
    assert first.first_difference(second) is None
    second.values[6, 3] = np.nextafter(1.0, 2.0)
    second.values[8, 0] = math.nan
    assert first.first_difference(second) == 7
    assert not first.same_bits(second)
    assert not first.same_bits(telemetry_of(9))


def test_an_unknown_signal_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="no_such_signal"):
        telemetry_of(3).signal("no_such_signal")


def test_values_must_fit_the_steps() -> None:
    with pytest.raises(ValueError, match="expected values of shape"):
        Telemetry(np.arange(1, 4), np.zeros((2, len(SIGNALS))), tuple(SIGNALS))


def stored(head: object, body: bytes = b"") -> bytes:
    return zlib.compress(json.dumps(head).encode() + b"\n" + body)


HEAD = {"format": FORMAT, "signals": ["loss"], "rows": 1, "type": "<f4"}
ONE = b"\x01\0\0\0"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (zlib.compress(b"[" * 50_000), "recursion limit exceeded"),
        (stored([]), "Input should be an object"),
        (stored(None), "Input should be an object"),
        (stored({**HEAD, "rows": -1}), "rows: Input should be greater than or equal to 0"),
        (stored({**HEAD, "rows": 10**12}), "rows: Input should be less than or equal to 8000000"),
        (stored({**HEAD, "rows": "1"}), "rows: Input should be a valid integer"),
        (stored({**HEAD, "type": "|O8"}), "type: Input should be '<f4' or '<f8'"),
        (stored({**HEAD, "signals": 5}), "signals: Input should be a valid"),
        (stored({**HEAD, "signals": ["x" * 101]}), "signals.0: String should have at most 100 characters"),
        (stored({**HEAD, "signals": ["a", "a"]}, ONE * 3), "expected every step and every signal once"),
        (stored(HEAD, b"\0" * 8), "expected every step and every signal once"),
        (stored(HEAD, ONE * 3), "expected 8 bytes of numbers, got 12"),
        (stored(HEAD, ONE * 2)[:-6], "its end is missing"),
    ],
)
def test_what_is_wrong_with_telemetry_is_told_in_one_line(content: bytes, reason: str) -> None:
    with pytest.raises(TelemetryError) as caught:
        Telemetry.from_bytes(content)
    told = str(caught.value)
    assert told.startswith("this telemetry is damaged: ")
    assert reason in told
    assert "\n" not in told
    Telemetry.from_bytes(stored(HEAD, ONE * 2))  # what the damage was done to is right


@pytest.mark.parametrize("read", [Telemetry.from_bytes, Autopsy.from_bytes])
def test_a_small_row_cannot_take_all_memory(read: Callable[[bytes], object]) -> None:
    """The allocator's own count: unpacking 400 MB that are stored in 400 kB stays within the bound."""
    bomb = zlib.compress(b"\0" * 400_000_000, level=9)
    assert len(bomb) < 400_000
    tracemalloc.start()
    with pytest.raises(TelemetryError, match=r"is damaged: expected at most \d,000,000 bytes of content, got more"):
        read(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * MOST_BYTES


def test_the_longest_runs_stay_far_below_the_bound() -> None:
    """What a run of 10^12 steps keeps, in float64 and with noise that cannot be compressed."""
    rows = LAST_STEPS + 34 + math.ceil(math.log2(1e12)) * KEPT_PER_DOUBLING
    noise = np.random.default_rng(0).standard_normal((rows, len(SIGNALS)))
    kept = Telemetry(np.arange(1, rows + 1), noise, tuple(SIGNALS))
    assert kept.values.nbytes + 4 * rows < MOST_BYTES / 60
    assert Telemetry.from_bytes(kept.to_bytes()).same_bits(kept)
