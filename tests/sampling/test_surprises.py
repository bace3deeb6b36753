"""Which outcomes nothing else let expect, and that they are asked about again."""

from __future__ import annotations

import math

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState
from scipy.special import expit

from stability_sweep.gaussian_process import Cells, Matern52, fit_binomial, propagate
from stability_sweep.sampling import BoundarySampler
from stability_sweep.sampling.belief import Belief
from stability_sweep.sampling.surprises import ENOUGH, NEAR, follows_up, forecasts, place_beside, unanswered
from stability_sweep.space.coordinates import Coordinates

KERNEL = Matern52(20.0, (0.25,))


def belief(where: list[float], diverged: list[float], trials: list[float] | None = None) -> Belief:
    """Trials on one axis."""
    total = np.array(trials or [1.0] * len(where))
    points, sums = np.array(where)[:, None], np.column_stack([diverged, total])
    return Belief((propagate(KERNEL, points, *sums.T),), np.ones(1), Cells(points, sums, total))


def test_a_forecast_is_that_of_a_process_fitted_without_the_cell() -> None:
    where, diverged = np.array([0.1, 0.2, 0.4, 0.5, 0.9])[:, None], np.array([0.0, 1.0, 0.0, 1.0, 1.0])
    found = forecasts(propagate(KERNEL, where, diverged, np.ones(5)), diverged)
    for cell in range(5):
        others = np.arange(5) != cell
        without = propagate(KERNEL, where[others], diverged[others], np.ones(4))
        mean, variance = without.latent(where[[cell]])
        latent = np.random.default_rng(0).normal(mean, np.sqrt(variance), 200_000)
        expected = expit(latent if diverged[cell] else -latent).mean()
        assert found[cell] == pytest.approx(expected, abs=0.04)


def test_a_forecast_after_laplace_is_near_that_of_a_process_fitted_without_the_cell() -> None:
    where, diverged = np.linspace(0, 1, 9)[:, None], np.array([0, 0, 1, 0, 0, 0, 1, 1, 1.0])
    found = forecasts(fit_binomial(KERNEL, where, diverged, np.ones(9)), diverged)
    others = np.arange(9) != 2
    mean, variance = fit_binomial(KERNEL, where[others], diverged[others], np.ones(8)).latent(where[[2]])
    latent = np.random.default_rng(0).normal(mean, np.sqrt(variance), 200_000)
    assert found[2] == pytest.approx(expit(latent).mean(), abs=0.03)


AXIS = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def test_a_lone_divergence_among_survivors_is_a_surprise_and_an_expected_one_is_not() -> None:
    lone = unanswered(belief(AXIS, [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
    assert lone is not None
    assert lone == pytest.approx([0.3])
    assert unanswered(belief(AXIS, [0, 0, 0, 0, 0, 0, 1, 1, 1, 1])) is None


def test_a_surprise_with_enough_trials_beside_it_is_answered() -> None:
    near = [0.3 + NEAR * share for share in (0.4, 0.6, -0.8)][:ENOUGH]
    outcomes = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert unanswered(belief(AXIS + near[:-1], [*outcomes, *[0] * (ENOUGH - 1)])) is not None
    assert unanswered(belief(AXIS + near, [*outcomes, *[0] * ENOUGH])) is None


def test_places_beside_a_surprise_are_near_it_on_every_side_and_keep_its_choices() -> None:
    coordinates = Coordinates.of(
        {
            "x": FloatDistribution(0.0, 1.0),
            "kind": CategoricalDistribution(["a", "b", "c"]),
            "y": FloatDistribution(0, 1),
        }
    )
    values = np.array([0.99, 2.0, 0.5])
    generator = np.random.default_rng(0)
    places = np.array([place_beside(coordinates, values, generator) for _ in range(64)])
    assert (places[:, 1] == 2.0).all()
    distances = np.linalg.norm(coordinates.encode(places) - coordinates.encode(values[None, :]), axis=1)
    assert (distances <= NEAR).all()
    assert distances.max() > 0.5 * NEAR
    assert len(np.unique(places, axis=0)) == 64
    assert 0.3 < (places[:, 2] > 0.5).mean() < 0.7


def test_chance_surprises_take_at_most_a_quarter_of_a_study() -> None:
    assert np.mean([follows_up(index) for index in range(400)]) == 0.25


def test_a_lone_divergence_far_from_the_line_is_soon_asked_about_again() -> None:
    """Every trial above 0.8 diverges, and the one trial nearest to (0.3, 0.5)."""
    space: dict[str, BaseDistribution] = {"learning_rate": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)}
    study = optuna.create_study(sampler=BoundarySampler(seed=0))
    for number in range(48):
        if number == 16:
            study.enqueue_trial({"learning_rate": 0.3, "y": 0.5})
        trial = study.ask(space)
        if number == 16 or trial.params["learning_rate"] > 0.8:
            trial.report(math.nan, 1)
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, 1.0)
    near = [math.hypot(t.params["learning_rate"] - 0.3, t.params["y"] - 0.5) <= NEAR for t in study.trials[17:]]
    assert ENOUGH <= sum(near) <= ENOUGH + 2
