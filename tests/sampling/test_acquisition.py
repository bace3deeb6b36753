"""What one more trial is worth, on processes that are small enough to reason about."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from stability_sweep.gaussian_process import BinomialProcess, Matern52, fit_binomial
from stability_sweep.sampling.acquisition import (
    expected_weight,
    imagine,
    latent_at,
    overall_share_of_chance,
    share_of_chance,
    unsettled,
    worth_for_probability,
    worth_for_side,
)

LINE = np.linspace(0, 1, 101)[:, None]


def process(diverged: list[float], total: list[float] | None = None) -> BinomialProcess:
    """Trials at even points of one axis."""
    points = np.linspace(0.1, 0.9, len(diverged))[:, None]
    kernel = Matern52(20.0, (0.25,))
    return fit_binomial(kernel, points, np.array(diverged), np.array(total or [1.0] * len(diverged)))


def test_the_two_imagined_outcomes_are_one_posterior_split_in_two() -> None:
    """Total probability: their probabilities, means and variances add up to what was known before."""
    mean, variance = np.array([-3.0, 0.0, 1.5]), np.array([0.5, 9.0, 4.0])
    dies, lives = imagine(mean, variance)
    assert dies.probability + lives.probability == pytest.approx(1)
    assert dies.probability * dies.mean + lives.probability * lives.mean == pytest.approx(mean)
    within = dies.probability * dies.variance + lives.probability * lives.variance
    between = dies.probability * (dies.mean - mean) ** 2 + lives.probability * (lives.mean - mean) ** 2
    assert within + between == pytest.approx(variance)


def test_an_imagined_divergence_has_the_moments_of_a_long_simulation() -> None:
    generator = np.random.default_rng(0)
    latent = 0.5 + 2.0 * generator.standard_normal(400_000)
    died = latent[generator.random(len(latent)) < expit(latent)]
    dies, _ = imagine(np.array([0.5]), np.array([4.0]))
    assert dies.probability[0] == pytest.approx(len(died) / len(latent), abs=0.005)
    assert dies.mean[0] == pytest.approx(died.mean(), abs=0.02)
    assert dies.variance[0] == pytest.approx(died.var(), abs=0.03)


def test_a_trial_is_worth_most_between_a_survivor_and_a_divergence() -> None:
    worth = worth_for_side(latent_at(process([0, 0, 0, 1, 1, 1]), LINE))
    assert 0.4 < LINE[worth.argmax(), 0] < 0.6


def test_a_point_is_unsettled_where_the_line_is_and_settled_far_from_it() -> None:
    mean, variance = process([0, 0, 0, 1, 1, 1]).latent(LINE)
    found = unsettled(mean, np.maximum(variance, 1e-9))
    assert found[50] == pytest.approx(0.5, abs=0.01)
    assert found[20] < 0.15
    assert ((found >= 0) & (found <= 0.5)).all()


def test_a_pending_trial_makes_its_point_worth_less_and_moves_no_mean() -> None:
    before = process([0, 0, 0, 1, 1, 1])
    best = LINE[worth_for_side(latent_at(before, LINE)).argmax()]
    after = before.expecting(best, expected_weight(before, best))
    assert after.latent(LINE)[0] == pytest.approx(before.latent(LINE)[0])
    assert worth_for_side(latent_at(after, best[None]))[0] < 0.7 * worth_for_side(latent_at(before, best[None]))[0]


def test_a_pending_trial_holds_the_latent_value_as_firmly_as_its_outcome_will_on_average() -> None:
    before = process([0, 0, 1, 0, 1, 1])
    point = np.array([0.33])
    mean, variance = before.latent(point[None])
    dies, lives = imagine(mean, variance)
    expected = dies.probability * dies.variance + lives.probability * lives.variance
    assert before.expecting(point, expected_weight(before, point)).latent(point[None])[1] == pytest.approx(expected)


def test_expecting_twice_is_expecting_both_at_once() -> None:
    """The factor that grows by a row is that of the larger matrix."""
    before, points = process([0, 0, 1, 0, 1, 1]), (np.array([0.2]), np.array([0.7]))
    grown = before.expecting(points[0], 0.3).expecting(points[1], 0.1)
    root = grown.root_weights
    inner = np.eye(8) + root[:, None] * grown.kernel(grown.points, grown.points) * root
    assert grown.cholesky @ grown.cholesky.T == pytest.approx(inner)


def test_half_of_very_many_is_chance_and_one_of_one_is_unknown() -> None:
    at = np.array([[0.5]])
    assert share_of_chance(latent_at(process([50.0] * 5, [100.0] * 5), at))[0] > 0.95
    assert share_of_chance(latent_at(process([1.0]), at))[0] < 0.6


def test_the_parts_of_an_outcomes_variance_are_those_of_a_long_simulation() -> None:
    at = np.array([[0.3]])
    found = process([0, 1, 0, 1])
    mean, variance = found.latent(at)
    probability = expit(np.random.default_rng(0).normal(mean, np.sqrt(variance), 400_000))
    chance = (probability * (1 - probability)).mean()
    assert share_of_chance(latent_at(found, at))[0] == pytest.approx(chance / (chance + probability.var()), abs=0.005)


def test_a_soft_boundary_that_is_known_is_mostly_chance_and_a_sharp_one_is_not() -> None:
    soft = process([5.0, 20.0, 50.0, 80.0, 95.0], [100.0] * 5)
    assert overall_share_of_chance(latent_at(soft, LINE)) > 0.85
    assert overall_share_of_chance(latent_at(process([0.0, 0.0, 1.0, 1.0]), LINE)) < 0.7


def test_a_trial_tells_most_of_the_probability_where_few_were_run() -> None:
    """The side of the line is as well known on either side of the middle; the trials are not."""
    found = process([2.0, 10.0, 20.0, 7.0], [8.0, 40.0, 40.0, 8.0])
    worth = worth_for_probability(latent_at(found, np.array([[0.1], [0.9]])))
    dense = worth_for_probability(latent_at(found, np.array([[0.1 + 0.8 / 3], [0.1 + 1.6 / 3]])))
    assert worth.min() > 3 * dense.max() > 0


def test_no_trial_is_expected_to_make_the_probability_less_known() -> None:
    for found in (process([0, 0, 1, 0, 1, 1]), process([50.0] * 5, [100.0] * 5), process([0.0] * 6)):
        assert (worth_for_probability(latent_at(found, LINE)) >= 0).all()
