"""The chance of divergence at a horizon, within and beyond what was watched."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stability_sweep.analysis.horizon import divergence_at_horizon, horizon_table
from stability_sweep.analysis.survival import hazard_by_band, poisson_interval, survival_curves
from tests.analysis.watched import AXES, WHOLE, curve_of, frame_from, frame_of_times, mixed, row_at, trial


def test_within_the_observed_steps_the_estimate_is_the_curve() -> None:
    frame = mixed([2, 4, 4], [3, 10])
    curve = curve_of(frame)
    for horizon, step in ((1, 1), (2, 2), (3, 2), (4, 4), (10, 10)):
        found, row = divergence_at_horizon(frame, horizon), row_at(curve, step)
        assert found.probability == pytest.approx(1 - row["survival"])
        assert (found.low, found.high) == pytest.approx((1 - row["high"], 1 - row["low"]))
        assert not found.is_extrapolated
        assert (found.trials, found.events) == (5, 3)


def test_beyond_the_observed_steps_the_late_hazard_goes_on() -> None:
    frame = mixed([2, 8], [10] * 8)
    found = divergence_at_horizon(frame, 30)
    assert (found.late_events, found.late_steps) == (1, 8 * 5 + 3)  # in the steps 6 to 10
    assert found.is_extrapolated
    assert found.probability == pytest.approx(1 - 0.8 * math.exp(-20 / 43))
    low, high = poisson_interval(1)
    at_ten = divergence_at_horizon(frame, 10)
    assert found.low == pytest.approx(1 - (1 - at_ten.low) * math.exp(-20 * low / 43))
    assert found.high == pytest.approx(1 - (1 - at_ten.high) * math.exp(-20 * high / 43))


@pytest.mark.parametrize("horizon", [200, 600])
def test_the_extrapolated_interval_holds_the_truth_under_a_constant_hazard(horizon: int) -> None:
    truth = 1 - (1 - 3e-3) ** horizon
    frames = [frame_of_times(np.random.default_rng(seed).geometric(3e-3, 60), 100) for seed in range(100)]
    found = [divergence_at_horizon(frame, horizon) for frame in frames]
    assert np.mean([f.low <= truth <= f.high for f in found]) >= 0.94
    assert np.mean([f.probability for f in found]) == pytest.approx(truth, abs=0.03)
    assert np.mean([f.high - f.low for f in found]) < 0.6  # it does not hold by saying nothing


def test_a_falling_hazard_makes_the_extrapolation_an_upper_estimate() -> None:
    # Weibull with shape 0.5: the cumulative hazard is sqrt(steps / 1000).
    times = np.ceil(1000 * np.random.default_rng(0).weibull(0.5, 1000))
    found = divergence_at_horizon(frame_of_times(times, horizon=100), 2000)
    assert found.probability > 1 - math.exp(-math.sqrt(2000 / 1000)) + 0.05


def test_without_late_events_the_estimate_stays_and_only_its_high_end_rises() -> None:
    frame = mixed([2], [10] * 19)
    near, far = divergence_at_horizon(frame, 10), divergence_at_horizon(frame, 100)
    assert (far.late_events, far.probability, far.low) == (0, near.probability, near.low)
    assert far.high > near.high + 0.2


def test_when_all_have_diverged_the_rest_of_their_horizon_is_known() -> None:
    frame = mixed([1, 2, 3], [])  # their horizon is 10
    found = divergence_at_horizon(frame, 10)
    assert (found.probability, found.is_extrapolated) == (1.0, False)
    assert found.low == divergence_at_horizon(frame, 3).low
    beyond = divergence_at_horizon(frame, 11)
    assert beyond.is_extrapolated
    assert math.isnan(beyond.probability)


@pytest.mark.parametrize("total", [1, 2, 12])
def test_where_nobody_lived_no_hazard_goes_on_and_only_the_low_end_is_known(total: int) -> None:
    """All died at step 2: that is no knowledge of a run of 100, which was told as "1 (1 to 1)"."""
    frame = mixed([2] * total, [])
    near, far = divergence_at_horizon(frame, 10), divergence_at_horizon(frame, 100)
    assert math.isnan(far.probability)
    assert (far.low, far.high) == (near.low, 1.0)
    assert 0 < near.low < 1


def test_what_is_extrapolated_is_never_certain() -> None:
    frame = mixed(list(range(6, 10)) * 20, [10])
    near, far = divergence_at_horizon(frame, 10), divergence_at_horizon(frame, 10_000)
    assert far.is_extrapolated
    assert math.isnan(far.probability)
    assert (far.low, far.high) == (near.low, 1.0)


def test_an_extrapolation_that_allows_everything_is_unknown() -> None:
    """Three short lives without a divergence said "0 (0 to 0.9991)" of a run ten times as long."""
    far = divergence_at_horizon(mixed([], [10] * 3), 100)
    assert math.isnan(far.probability)
    assert (far.low, far.high) == (0.0, 1.0)


def test_without_trials_nothing_is_known() -> None:
    failed = frame_from([trial(0, 5, "failed")])
    for frame in (frame_from([]), failed):
        found = divergence_at_horizon(frame, 100)
        assert math.isnan(found.probability)
        assert (found.low, found.high, found.trials, found.is_extrapolated) == (0.0, 1.0, 0, False)
        by_group = survival_curves(frame, WHOLE), hazard_by_band(frame, WHOLE), horizon_table(frame, WHOLE, [1, 100])
        for table in by_group:
            assert table.empty
            assert "label" in table.columns


def test_a_horizon_of_no_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 step, got 0"):
        divergence_at_horizon(mixed([1], [2]), 0)


def test_the_horizon_table_has_a_row_per_group_and_horizon() -> None:
    generator = np.random.default_rng(3)
    trials = [
        trial(n, step, "diverged" if step < 10 else "stable", batch_size=(16, 64)[n % 2])
        for n, step in enumerate(generator.integers(1, 11, 40).tolist())
    ]
    frame = frame_from(trials)
    table = horizon_table(frame, AXES["batch_size"], [5, 10, 50])
    assert table["label"].tolist() == ["16 to 32"] * 3 + ["64"] * 3
    assert table["horizon_steps"].tolist() == [5, 10, 50] * 2
    expected = divergence_at_horizon(frame[frame["batch_size"] == 64], 50)
    assert table.iloc[-1].drop(["group", "label"]).to_dict() == pytest.approx(vars(expected), nan_ok=True)
