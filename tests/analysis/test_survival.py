"""Survival curves and hazards, beside slow and plain ones, and beside known truths."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, poisson

from stability_sweep.analysis.survival import MOST_ROWS, hazard_by_band, poisson_interval, survival_curves
from tests.analysis.watched import (
    AXES,
    SPACE,
    WHOLE,
    curve_of,
    frame_from,
    frame_of_times,
    mixed,
    row_at,
    trial,
)

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
