"""The kernel that trials teach."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from stability_sweep.gaussian_process import Matern52, learn_kernel, prior_kernel, weighed_kernels
from stability_sweep.gaussian_process.learning import PRIOR_LOG_SD, _Posterior, _prior_centre
from stability_sweep.typing import Array


def trials(count: int, seed: int = 0) -> tuple[Array, Array, Array]:
    generator = np.random.default_rng(seed)
    points = generator.random((count, 2))
    truth = expit(30 * (points[:, 0] - 0.5 + 0.2 * (points[:, 1] - 0.5)))
    return points, (generator.random(count) < truth).astype(float), np.ones(count)


def test_the_slope_of_the_posterior_is_what_differences_give() -> None:
    posterior = _Posterior(*trials(40), -1.0)
    at = np.array([2.0, -1.0, -0.3])
    differences = [(posterior(at + step)[0] - posterior(at - step)[0]) / 2e-5 for step in 1e-5 * np.eye(len(at))]
    assert posterior(at)[1] == pytest.approx(differences, rel=1e-3)


def test_the_evidence_is_what_scikit_learn_gives() -> None:
    points, diverged, total = trials(50)
    at = np.array([2.0, -1.0, -0.3])
    same = ConstantKernel(np.exp(2.0), "fixed") * Matern(np.exp(at[1:]), "fixed", nu=2.5)
    theirs = GaussianProcessClassifier(same, optimizer=None).fit(points, diverged).log_marginal_likelihood_value_
    distance = (at - _prior_centre(2)) / PRIOR_LOG_SD
    assert _Posterior(points, diverged, total, 0.0)(at)[0] + distance @ distance / 2 == pytest.approx(theirs, abs=1e-3)


def test_trials_that_all_ended_alike_leave_the_prior() -> None:
    points, _, total = trials(20)
    assert learn_kernel(points, np.zeros(20), total) == prior_kernel(2)
    weighed = weighed_kernels(points, total, total)
    assert weighed[0][1].logarithms == pytest.approx(prior_kernel(2).logarithms)
    assert len(weighed) > 1


def test_a_coordinate_that_plays_no_part_has_the_longer_length() -> None:
    points, _, total = trials(150)
    along, across = learn_kernel(points, (points[:, 0] > 0.5).astype(float), total).lengths
    assert across > 2 * along


def test_weights_add_up_and_few_trials_leave_more_kernels_than_many() -> None:
    few, many = (weighed_kernels(*trials(count)) for count in (15, 400))
    for weighed in (few, many):
        assert sum(weight for weight, _ in weighed) == pytest.approx(1.0)
        assert [weight for weight, _ in weighed] == sorted((weight for weight, _ in weighed), reverse=True)

    def spread(weighed: list[tuple[float, Matern52]]) -> float:
        weights, values = zip(*((weight, np.log(kernel.lengths[0])) for weight, kernel in weighed), strict=True)
        return float(np.sqrt(np.cov(values, aweights=weights, ddof=0)))

    assert spread(few) > 1.5 * spread(many)
