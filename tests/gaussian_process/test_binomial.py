"""Laplace's approximation against scikit-learn, and against itself."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from stability_sweep.gaussian_process import Cells, Matern52, fit_binomial


def test_single_trials_give_what_scikit_learn_gives() -> None:
    generator = np.random.default_rng(0)
    points, at = generator.random((60, 3)), generator.random((40, 3))
    diverged = (generator.random(60) < points[:, 0]).astype(np.float64)
    kernel = Matern52(9.0, (0.4, 0.7, 1.1))
    same = ConstantKernel(9.0, "fixed") * Matern([0.4, 0.7, 1.1], "fixed", nu=2.5)
    theirs = GaussianProcessClassifier(same, optimizer=None, max_iter_predict=200).fit(points, diverged)
    mean, variance = fit_binomial(kernel, points, diverged, np.ones(60)).latent(at)
    expected_mean, expected_variance = theirs.latent_mean_and_variance(at)
    # scikit-learn stops its Newton steps a little earlier.
    assert mean == pytest.approx(expected_mean, abs=1e-4)
    assert variance == pytest.approx(expected_variance, abs=1e-4)


def test_counts_give_what_the_same_trials_give_one_by_one() -> None:
    generator = np.random.default_rng(1)
    points = generator.random((12, 2)).repeat(5, axis=0)
    diverged = (generator.random(60) < points[:, 0]).astype(np.float64)
    kernel = Matern52(9.0, (0.5, 0.5))
    cells = Cells.merged(points, diverged[:, None])
    at = generator.random((20, 2))
    single = fit_binomial(kernel, points, diverged, np.ones(60), mean=-1.0).latent(at)
    counted = fit_binomial(kernel, cells.points, cells.sums[:, 0], cells.trials, mean=-1.0).latent(at)
    assert len(cells.trials) == 12
    assert counted[0] == pytest.approx(single[0], abs=1e-6)
    assert counted[1] == pytest.approx(single[1], abs=1e-6)


def test_draws_have_the_mean_and_the_variance_of_the_posterior() -> None:
    generator = np.random.default_rng(2)
    points = generator.random((30, 1))
    diverged = (points[:, 0] > 0.5).astype(np.float64)
    process = fit_binomial(Matern52(4.0, (0.3,)), points, diverged, np.ones(30), mean=0.5)
    at = np.linspace(0, 1, 7)[:, None]
    drawn = process.draws(at, 20_000, seed=3)
    mean, variance = process.latent(at)
    assert drawn.mean(axis=0) == pytest.approx(mean, abs=0.05)
    assert drawn.var(axis=0) == pytest.approx(variance, rel=0.06)


def test_blocks_have_the_covariance_of_the_posterior() -> None:
    generator = np.random.default_rng(4)
    points = generator.random((30, 2))
    process = fit_binomial(Matern52(4.0, (0.3, 0.6)), points, (points[:, 0] > 0.5).astype(np.float64), np.ones(30))
    at = generator.random((3, 4, 2))
    mean, covariance = process.blocks(at)
    for group in range(3):
        drawn = process.draws(at[group], 40_000, seed=group)
        assert drawn.mean(axis=0) == pytest.approx(mean[group], abs=0.05)
        assert np.cov(drawn.T) == pytest.approx(covariance[group], abs=0.08)
