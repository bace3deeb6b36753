from __future__ import annotations

import math

import pytest

from stability_sweep.results.outcome import Divergence, Outcome, Symptom, TrialResult, judge_finite_run
from tests.conftest import make_result


@pytest.mark.parametrize(
    ("value", "of_loss", "of_gradient"),
    [
        (1.0, None, None),
        (-1e308, None, None),
        (math.nan, Symptom.NAN_LOSS, Symptom.NAN_GRADIENT),
        (math.inf, Symptom.INF_LOSS, Symptom.INF_GRADIENT),
        (-math.inf, Symptom.INF_LOSS, Symptom.INF_GRADIENT),
    ],
)
def test_nan_and_both_infinities_are_symptoms(
    value: float, of_loss: Symptom | None, of_gradient: Symptom | None
) -> None:
    assert Symptom.of_loss(value) is of_loss
    assert Symptom.of_gradient(value) is of_gradient


@pytest.mark.parametrize(
    ("first", "final", "outcome"),
    [
        (100.0, 50.0, Outcome.STABLE),
        (100.0, 90.0, Outcome.STABLE),  # a gain of exactly the threshold is learning
        (100.0, 95.0, Outcome.STALLED),
        (100.0, 100.0, Outcome.STALLED),
        (100.0, 101.0, Outcome.EXPLODED),
        (-10.0, -20.0, Outcome.STABLE),  # losses below zero keep their sense of better and worse
        (-10.0, -9.0, Outcome.EXPLODED),
        (0.0, -1.0, Outcome.STABLE),
    ],
)
def test_finite_runs_are_judged_by_their_gain(first: float, final: float, outcome: Outcome) -> None:
    assert judge_finite_run(first, final, stalled_below=0.1, exploded_above=0.0) is outcome


def test_a_diverged_result_needs_a_divergence() -> None:
    with pytest.raises(ValueError, match="a diverged trial cannot have divergence=None"):
        TrialResult(seed=1, outcome=Outcome.DIVERGED, horizon=10, steps=3)


def test_a_stable_result_cannot_have_a_divergence() -> None:
    with pytest.raises(ValueError, match="a stable trial cannot have divergence"):
        make_result(Outcome.STABLE, divergence=Divergence(step=1, symptom=Symptom.NAN_LOSS))


def test_a_failed_result_needs_its_reason() -> None:
    with pytest.raises(ValueError, match="a failed trial cannot have failure=None"):
        TrialResult(seed=1, outcome=Outcome.FAILED, horizon=10)


def test_steps_and_divergence_step_must_agree() -> None:
    with pytest.raises(ValueError, match="diverged at step 3, but 4 steps were begun"):
        make_result(Outcome.DIVERGED, steps=4)


def test_more_steps_than_the_horizon_are_impossible() -> None:
    with pytest.raises(ValueError, match="expected 0 <= steps <= horizon, got steps=101, horizon=100"):
        make_result(steps=101)
