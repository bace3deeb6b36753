"""Several processes with weights."""

from __future__ import annotations

import numpy as np
import pytest

from stability_sweep.gaussian_process import Matern52, Mixture, propagate


def mixture() -> Mixture:
    points = np.random.default_rng(0).random((25, 2))
    diverged = (points[:, 0] > 0.5).astype(float)
    kernels = [Matern52(4.0, (0.3, 0.6)), Matern52(30.0, (0.6, 1.0))]
    return Mixture(tuple(propagate(kernel, points, diverged, np.ones(25)) for kernel in kernels), np.array([0.7, 0.3]))


def test_draws_are_shared_out_by_weight() -> None:
    assert mixture().shares(10).tolist() == [7, 3]
    assert mixture().shares(7).tolist() == [5, 2]


def test_joint_draws_and_block_draws_have_the_moments_of_the_mixture() -> None:
    found, at = mixture(), np.random.default_rng(1).random((3, 2, 2))
    moments = [process.latent(at[1]) for process in found.processes]
    mean = sum(weight * m for weight, (m, _) in zip(found.weights, moments, strict=True))
    square = sum(weight * (v + m**2) for weight, (m, v) in zip(found.weights, moments, strict=True))
    noise = np.random.default_rng(2).standard_normal((40_000, 2))
    centre, blocks = found.block_draws(at, noise)
    for drawn in (found.draws(at[1], 40_000, seed=5), blocks[:, 1]):
        assert drawn.mean(axis=0) == pytest.approx(mean, abs=0.08)
        assert drawn.var(axis=0) == pytest.approx(square - mean**2, rel=0.05)
    assert centre[1] == pytest.approx(mean)
    assert found.mean(at[1]) == pytest.approx(mean)
