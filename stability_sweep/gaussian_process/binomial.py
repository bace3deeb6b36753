"""Laplace's approximation to a Gaussian process with a binomial likelihood.

scikit-learn's classifier knows single trials only. With counts ("7 of 9 diverged here") the repeats of a point are one
row, and 100,000 trials become some hundred cells. With one trial per row the two agree (there is a test).

Source: Rasmussen and Williams, *Gaussian Processes for Machine Learning* (MIT Press, 2006), algorithms 3.1 and 3.2,
with k f - n log(1 + exp f) for the log likelihood of k of n.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.special import expit

from stability_sweep.gaussian_process.kernel import SquaredExponential
from stability_sweep.typing import Array

MOST_NEWTON_STEPS = 100
CONVERGED = 1e-8
"""Newton's method ends where a step raises the log posterior by less."""

SHORTEST_STEP = 1e-4
"""In shares of a whole Newton step."""


@dataclass(frozen=True)
class BinomialProcess:
    """The posterior of the latent function f; P = 1 / (1 + exp(-f))."""

    kernel: SquaredExponential
    points: Array
    """(cells, coordinates)."""
    gradient: Array
    """Of the log likelihood at the mode, (cells,)."""
    root_weights: Array
    """Square roots of the negative second derivatives there, (cells,)."""
    cholesky: Array
    """Lower factor of B = I + W^1/2 K W^1/2, (cells, cells)."""

    def latent(self, at: Array) -> tuple[Array, Array]:
        """Mean and variance of f at (points, coordinates), each (points,)."""
        mean, reduced = self._projected(at)
        return mean, np.maximum(self.kernel.variance - np.sum(reduced**2, axis=0), 0.0)

    def expecting(self, point: Array, weight: float) -> BinomialProcess:
        """The posterior as if a trial at a point had said how firmly f is held there, but not where.

        Args:
            point: of a trial whose outcome is not known yet, (coordinates,).
            weight: the negative second derivative that its log likelihood is expected to have.
        """
        # B grows by a row and a column, and its Cholesky factor by a row: nothing that is known is computed again.
        at = point[None, :]
        row = np.sqrt(weight) * self._projected(at)[1][:, 0]
        size = len(self.points)
        cholesky = np.zeros((size + 1, size + 1))
        cholesky[:size, :size], cholesky[size, :size] = self.cholesky, row
        cholesky[size, size] = np.sqrt(1.0 + weight * self.kernel.variance - row @ row)
        return BinomialProcess(
            self.kernel,
            np.vstack([self.points, at]),
            np.append(self.gradient, 0.0),
            np.append(self.root_weights, np.sqrt(weight)),
            cholesky,
        )

    def _projected(self, at: Array) -> tuple[Array, Array]:
        """Mean of f, (points,), and R with cov(f) = K - R^T R, (cells, points)."""
        cross = self.kernel(self.points, at)
        reduced = solve_triangular(self.cholesky, self.root_weights[:, None] * cross, lower=True, check_finite=False)
        return np.asarray(cross.T @ self.gradient), np.asarray(reduced)

    def draws(self, at: Array, count: int, seed: int) -> Array:
        """Joint draws of f at (points, coordinates): (count, points); the same seed gives the same draws."""
        mean, reduced = self._projected(at)
        covariance = self.kernel(at, at) - reduced.T @ reduced
        # Near points are all but equal, so the covariance is singular up to rounding: its eigenvalues are cut at 0.
        values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        noise = np.random.default_rng(seed).standard_normal((count, len(at)))
        return np.asarray(mean + noise @ root.T)


def fit_binomial(kernel: SquaredExponential, points: Array, diverged: Array, total: Array) -> BinomialProcess:
    """The posterior after `diverged` of `total` trials at each point.

    Args:
        kernel: of the latent function.
        points: of the cells, (cells, coordinates).
        diverged: trials that diverged there, (cells,); need not be whole numbers.
        total: trials there, (cells,), at least as many; need not be whole either.
    """
    covariance = kernel(points, points)
    latent, weights_of_kernel = np.zeros(len(points)), np.zeros(len(points))
    objective = _objective(latent, weights_of_kernel, diverged, total)
    for _ in range(MOST_NEWTON_STEPS):
        target = _newton_target(covariance, latent, diverged, total)
        step, improved = 1.0, -np.inf
        while step > SHORTEST_STEP:  # shorter steps where a whole one overshoots
            trial = weights_of_kernel + step * (target - weights_of_kernel)
            ahead = covariance @ trial
            improved = _objective(ahead, trial, diverged, total)
            if improved >= objective:
                break
            step /= 2
        if improved - objective < CONVERGED:
            break
        weights_of_kernel, latent, objective = trial, ahead, improved
    probability = expit(latent)
    root_weights = np.sqrt(total * probability * (1 - probability))
    return BinomialProcess(
        kernel, points, diverged - total * probability, root_weights, _factor(covariance, root_weights)
    )


def _objective(latent: Array, weights_of_kernel: Array, diverged: Array, total: Array) -> float:
    """Log posterior of f = K a, up to a constant."""
    log_likelihood = np.sum(diverged * latent - total * np.logaddexp(0.0, latent))
    return float(log_likelihood - weights_of_kernel @ latent / 2)


def _newton_target(covariance: Array, latent: Array, diverged: Array, total: Array) -> Array:
    """The `a` of one whole Newton step."""
    probability = expit(latent)
    root_weights = np.sqrt(total * probability * (1 - probability))
    ahead = root_weights**2 * latent + diverged - total * probability
    factor = (_factor(covariance, root_weights), True)
    return np.asarray(ahead - root_weights * cho_solve(factor, root_weights * (covariance @ ahead), check_finite=False))


def _factor(covariance: Array, root_weights: Array) -> Array:
    inner = root_weights[:, None] * covariance * root_weights
    inner[np.diag_indices_from(inner)] += 1.0
    return np.tril(cho_factor(inner, lower=True, check_finite=False)[0])
