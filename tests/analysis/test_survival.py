from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, poisson

from stability_sweep.analysis.survival import (
    MOST_GROUPS,
    MOST_ROWS,
    BandGroups,
    divergence_at_horizon,
    hazard_by_band,
    horizon_table,
    poisson_interval,
    survival_curves,
)
from stability_sweep.sources.frame import RESULT_COLUMNS, frame_of
from stability_sweep.space.axes import Axis
from tests.conftest import make_definition

SPACE: dict[str, Any] = {
    "learning_rate": {"low": 1e-6, "high": 1e-1, "log": True},
    "batch_size": [16, 32, 48, 64, 96, 128],
    "clip_norm": {"low": 0.1, "high": 1000.0, "log": True, "off_share": 0.2},
    "model.reconstruction_loss": ["mse", "bce"],
    "model.temperature": {"low": 0.5, "high": 2.0},
}
AXES = make_definition(search_space=SPACE).space.axes
COLUMNS = ["number", *SPACE, *RESULT_COLUMNS]
WHOLE = Axis("learning_rate", (-6.0, -1.0), ("all",), (), True, False)
"""An axis of one band, which holds every trial."""


def trial(number: int, step: int, outcome: str = "diverged", horizon: int = 10, **point: Any) -> dict[str, Any]:
    return {
        "number": number,
        "learning_rate": 1e-3,
        "batch_size": 16,
        "clip_norm": math.inf,
        "outcome": outcome,
        "divergence_step": step if outcome == "diverged" else None,
        "steps": step,
        "horizon": horizon,
        **point,
    }


def frame_from(trials: list[dict[str, Any]]) -> pd.DataFrame:
    return frame_of([{**dict.fromkeys(COLUMNS), **t} for t in trials], COLUMNS)


def frame_of_times(times: npt.ArrayLike, horizon: int) -> pd.DataFrame:
    """Trials that would diverge at `times`, watched to their horizon."""
    steps = np.asarray(times, dtype=np.int64)
    diverged = steps <= horizon
    watched = pd.Series(np.minimum(steps, horizon), dtype="Int64")
    return pd.DataFrame(
        {
            "number": np.arange(len(steps)),
            "learning_rate": 1e-3,
            "outcome": np.where(diverged, "diverged", "stable"),
            "divergence_step": watched.where(diverged),
            "steps": watched,
            "horizon": horizon,
        }
    )


def row_at(curve: pd.DataFrame, step: int) -> dict[Any, Any]:
    (found,) = curve[curve.index == step].to_dict("records")
    return found


def mixed(diverged: list[int], others: list[int]) -> pd.DataFrame:
    numbers = iter(range(1000))
    return frame_from(
        [*(trial(next(numbers), s) for s in diverged), *(trial(next(numbers), s, "stable") for s in others)]
    )


def curve_of(frame: pd.DataFrame) -> pd.DataFrame:
    return survival_curves(frame, WHOLE).set_index("step")


trials_strategy = st.lists(
    st.builds(
        trial,
        st.integers(0, 1000),
        st.integers(1, 10),
        st.sampled_from(["diverged", "stable", "stalled", "exploded", "failed"]),
        learning_rate=st.floats(1e-6, 1e-1),
        batch_size=st.sampled_from(SPACE["batch_size"]),
        clip_norm=st.one_of(st.floats(0.1, 1000.0), st.just(math.inf)),
    ),
    max_size=25,
)


def test_the_curve_has_the_values_of_the_product_limit_by_hand() -> None:
    curve = curve_of(mixed([2, 4, 4], [3, 10]))
    assert curve.index.tolist() == [0, 1, 2, 4, 10]
    assert curve["survival"].tolist() == pytest.approx([1, 1, 4 / 5, 4 / 5 / 3, 4 / 5 / 3])
    assert curve["at_risk"].tolist() == [5, 5, 5, 3, 1]
    assert curve["events"].tolist() == [0, 0, 1, 2, 0]
    assert (curve["total"] == 5).all()
    # What R's survfit(conf.type = "log-log") gives for one event among five.
    assert (row_at(curve, 2)["low"], row_at(curve, 2)["high"]) == pytest.approx((0.2038, 0.9692), abs=1e-4)


@settings(deadline=None, max_examples=40)
@given(trials_strategy)
def test_the_curve_matches_a_slow_reference(trials: list[dict[str, Any]]) -> None:
    watched = [t for t in trials if t["outcome"] != "failed"]
    curve = survival_curves(frame_from(trials), WHOLE)
    for row in curve.to_dict("records"):
        survival = 1.0
        for step in range(1, row["step"] + 1):
            at_risk = sum(t["steps"] >= step for t in watched)
            events = sum(t["steps"] == step and t["outcome"] == "diverged" for t in watched)
            survival *= 1 - events / at_risk
        assert row["survival"] == pytest.approx(survival, abs=1e-12)
        assert row["at_risk"] == sum(t["steps"] >= row["step"] for t in watched)
        assert 0 <= row["low"] <= row["survival"] + 1e-12
        assert row["survival"] - 1e-12 <= row["high"] <= 1


@settings(deadline=None, max_examples=40)
@given(trials_strategy, st.sampled_from(["learning_rate", "batch_size", "clip_norm"]))
def test_every_trial_but_the_failed_ones_is_in_exactly_one_group(trials: list[dict[str, Any]], name: str) -> None:
    frame, watched = frame_from(trials), [t for t in trials if t["outcome"] != "failed"]
    diverged = sum(t["outcome"] == "diverged" for t in watched)
    curves, hazards = survival_curves(frame, AXES[name]), hazard_by_band(frame, AXES[name])
    assert curves.groupby("group")["total"].first().sum() == hazards["trials"].sum() == len(watched)
    assert curves["events"].sum() == hazards["events"].sum() == diverged
    assert hazards["steps"].sum() == sum(t["steps"] for t in watched)
    for _, curve in curves.groupby("group"):
        assert curve["step"].is_monotonic_increasing
        assert curve["survival"].is_monotonic_decreasing
        assert (curve["step"].iloc[0], curve["survival"].iloc[0]) == (0, 1.0)


@settings(deadline=None, max_examples=15)
@given(trials_strategy, st.randoms())
def test_the_order_of_the_trials_does_not_matter(trials: list[dict[str, Any]], random: Any) -> None:
    shuffled = list(trials)
    random.shuffle(shuffled)
    for table in (survival_curves, hazard_by_band):
        axis = AXES["learning_rate"]
        pd.testing.assert_frame_equal(table(frame_from(trials), axis), table(frame_from(shuffled), axis))


@given(st.floats(1e-6, 1e-1), st.one_of(st.floats(0.1, 1000.0), st.just(math.inf)), st.floats(0.5, 2.0))
def test_a_group_holds_the_trials_of_its_bands(rate: float, norm: float, temperature: float) -> None:
    for name, value in (("learning_rate", rate), ("clip_norm", norm), ("model.temperature", temperature)):
        groups = BandGroups.of_axis(AXES[name])
        assert groups.of_values([value]).tolist() == [groups.of_band[AXES[name].band(value)]]


def test_neighbouring_bands_are_merged_and_off_stays_alone() -> None:
    labels = {name: BandGroups.of_axis(axis).labels for name, axis in AXES.items()}
    assert labels["learning_rate"][:2] == ("1e-6 to 1e-5", "1e-5 to 0.0001")
    assert labels["clip_norm"] == ("0.1 to 1", "1 to 10", "10 to 100", "100 to 1000", "off")
    assert labels["batch_size"] == ("16 to 32", "48", "64", "96", "128")
    assert labels["model.reconstruction_loss"] == ("mse", "bce")
    assert all(len(texts) <= MOST_GROUPS for texts in labels.values())


def test_off_among_choices_stays_alone_too() -> None:
    space = {"batch_size": 16, "clip_norm": [0.1, 1.0, "off", 10.0, 100.0, 1000.0]}
    groups = BandGroups.of_axis(make_definition(search_space=space).space.axes["clip_norm"])
    assert groups.labels == ("0.1 to 1", "10", "100", "1000", "off")
    assert groups.of_values([1.0, math.inf, 1000.0]).tolist() == [0, 4, 3]


def test_a_group_without_trials_has_no_curve() -> None:
    frame = frame_from([trial(0, 3, learning_rate=2e-6), trial(1, 10, "stable", learning_rate=5e-2)])
    assert survival_curves(frame, AXES["learning_rate"])["group"].unique().tolist() == [0, 4]
    assert hazard_by_band(frame, AXES["learning_rate"])["label"].tolist() == ["1e-6 to 1e-5", "0.01 to 0.1"]


@pytest.mark.parametrize("total", [1, 3, 40])
def test_without_divergence_the_band_is_that_of_no_event_among_all(total: int) -> None:
    curve = curve_of(mixed([], [10] * total))
    exact = binomtest(0, total).proportion_ci(0.95, method="exact")
    assert curve["low"].tolist() == pytest.approx([1, 1 - exact.high, 1 - exact.high])
    assert curve["high"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("total", [1, 3, 40])
def test_when_all_diverge_at_once_the_band_is_that_of_no_survivor(total: int) -> None:
    curve = curve_of(mixed([1] * total, []))
    assert curve.index.tolist() == [0, 1]
    end, exact = row_at(curve, 1), binomtest(0, total).proportion_ci(0.95, method="exact")
    assert (end["survival"], end["low"]) == (0, 0)
    assert end["high"] == pytest.approx(exact.high)


def test_the_band_does_not_widen_upwards_when_the_last_trial_diverges() -> None:
    high = curve_of(mixed([2, 3, 4, 5], []))["high"]
    assert high.loc[5] == high.loc[4] < 1


def test_the_pointwise_band_holds_the_truth_in_95_percent() -> None:
    def holds(seed: int) -> bool:
        times = np.random.default_rng(seed).geometric(0.01, 60)
        row = row_at(curve_of(frame_of_times(times, horizon=80)), 80)
        return bool(row["low"] <= 0.99**80 <= row["high"])

    assert np.mean([holds(seed) for seed in range(200)]) == pytest.approx(0.95, abs=0.03)


def test_a_thinned_curve_is_short_and_misses_no_visible_drop() -> None:
    times = np.random.default_rng(0).geometric(2e-3, 8000)
    curve = curve_of(frame_of_times(times, horizon=1500))
    assert len(curve) <= MOST_ROWS
    assert curve.index[[0, 1, -1]].tolist() == [0, 1, 1500]
    assert curve["events"].sum() == (times <= 1500).sum()
    steps = np.arange(1501)
    truth = 1 - np.searchsorted(np.sort(times), steps, side="right") / len(times)
    drawn = curve["survival"].to_numpy()[np.searchsorted(curve.index, steps, side="right") - 1]
    assert len(np.unique(truth)) > 3 * MOST_ROWS
    assert np.abs(drawn - truth).max() <= (1 - truth[-1]) / (MOST_ROWS - 3)
    assert np.abs(drawn - truth)[curve.index].max() == pytest.approx(0, abs=1e-12)


def test_the_hazard_counts_events_per_thousand_steps_trained() -> None:
    (row,) = hazard_by_band(mixed([2, 3, 5], [10, 10, 20]), WHOLE).to_dict("records")
    assert (row["trials"], row["events"], row["steps"]) == (6, 3, 50)
    assert row["hazard"] == pytest.approx(60)
    assert (row["low"], row["high"]) == pytest.approx((20 * 0.61867, 20 * 8.76727), rel=1e-5)  # Garwood's table


@given(st.integers(0, 500))
def test_the_poisson_interval_leaves_a_fortieth_in_either_tail(count: int) -> None:
    low, high = poisson_interval(count)
    assert poisson.cdf(count, high) == pytest.approx(0.025, rel=1e-6)
    assert poisson.sf(count - 1, low) == pytest.approx(0.025 if count else 1.0, rel=1e-6)


def test_the_hazard_interval_holds_a_constant_hazard() -> None:
    def holds(seed: int) -> bool:
        times = np.random.default_rng(seed).geometric(2e-3, 50)
        (row,) = hazard_by_band(frame_of_times(times, horizon=300), WHOLE).to_dict("records")
        return bool(row["low"] <= 2.0 <= row["high"])

    assert np.mean([holds(seed) for seed in range(150)]) >= 0.92


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
    far = divergence_at_horizon(frame, 10_000)
    assert far.is_extrapolated
    assert far.low <= 0.999
    assert far.probability > 0.999


def test_without_trials_nothing_is_known() -> None:
    failed = frame_from([trial(0, 5, "failed")])
    for frame in (frame_from([]), failed):
        found = divergence_at_horizon(frame, 100)
        assert math.isnan(found.probability)
        assert (found.low, found.high, found.trials, found.is_extrapolated) == (0.0, 1.0, 0, False)
        for table in (
            survival_curves(frame, WHOLE), hazard_by_band(frame, WHOLE), horizon_table(frame, WHOLE, [1, 100]),
        ):  # fmt: skip
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
    assert table.iloc[-1].drop(["group", "label"]).to_dict() == pytest.approx(vars(expected))
