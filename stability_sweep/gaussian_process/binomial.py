"""A Gaussian process with a binomial likelihood: what is known of the latent function after some trials.

scikit-learn's classifier knows single trials only. With counts ("7 of 9 diverged here") the repeats of a point are one
row, and 100,000 trials become some hundred cells. With one trial per row the two agree (there is a test).

Here is the posterior, and Laplace's approximation of it, which is quick: the sampler asks it, and the kernel is learned
by it. It is too timid where the outcome is all but certain; `propagation` mends that.

Source: Rasmussen and Williams, *Gaussian Processes for Machine Learning* (MIT Press, 2006), algorithms 3.1 and 3.2,
with k f - n log(1 + exp f) for the log likelihood of k of n.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, cholesky, solve_triangular
from scipy.special import expit

from stability_sweep.gaussian_process.kernel import Matern52
from stability_sweep.typing import Array

MOST_NEWTON_STEPS = 100
CONVERGED = 1e-8
"""Newton's method ends where a step raises the log posterior by less."""

SHORTEST_STEP = 1e-4
"""In shares of a whole Newton step."""

SMALLEST_NOISE = 1e-10
"""In shares of the kernel's variance: what is added to a covariance whose points are all but equal."""


@dataclass(frozen=True)
class BinomialProcess:
    """The posterior of the latent function f; P = 1 / (1 + exp(-f))."""

    kernel: Matern52
    points: Array
    """(cells, coordinates)."""
    gradient: Array
    """Of the (approximated) log likelihood where the posterior has its mean, (cells,)."""
    root_weights: Array
    """Square roots of how firmly the likelihood holds f there, (cells,)."""
    cholesky: Array
    """Lower factor of B = I + W^1/2 K W^1/2, (cells, cells)."""
    mean: float = 0.0
    """Of f before any trial."""

    def means(self, at: Array) -> Array:
        """Mean of f at (points, coordinates): (points,); far quicker than with the variance."""
        return np.asarray(self.mean + self.kernel(at, self.points) @ self.gradient)

    def latent(self, at: Array) -> tuple[Array, Array]:
        """Mean and variance of f at (points, coordinates), each (points,)."""
        mean, reduced = self._projected(at)
        return mean, np.maximum(self.kernel.variance - np.einsum("ij,ij->j", reduced, reduced), 0.0)

    def blocks(self, at: Array) -> tuple[Array, Array]:
        """Mean and covariance of f within each of some groups of points.

        Args:
            at: the groups, (groups, points, coordinates).

        Returns:
            (groups, points) and (groups, points, points).
        """
        groups, size, coordinates = at.shape
        mean, reduced = self._projected(at.reshape(-1, coordinates))
        parts = reduced.T.reshape(groups, size, -1)
        prior = np.stack([self.kernel(part, part) for part in at]) if groups else np.zeros((0, size, size))
        return mean.reshape(groups, size), prior - parts @ parts.transpose(0, 2, 1)

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
        factor = np.zeros((size + 1, size + 1))
        factor[:size, :size], factor[size, :size] = self.cholesky, row
        factor[size, size] = np.sqrt(1.0 + weight * self.kernel.variance - row @ row)
        return BinomialProcess(
            self.kernel,
            np.vstack([self.points, at]),
            np.append(self.gradient, 0.0),
            np.append(self.root_weights, np.sqrt(weight)),
            factor,
            self.mean,
        )

    @cached_property
    def _reducer(self) -> Array:
        """L^-1 W^1/2, (cells, cells): one product with it is quicker than a triangular solution for many points."""
        return np.asarray(solve_triangular(self.cholesky, np.diag(self.root_weights), lower=True, check_finite=False))

    def _projected(self, at: Array) -> tuple[Array, Array]:
        """Mean of f, (points,), and R with cov(f) = K - R^T R, (cells, points)."""
        cross = self.kernel(self.points, at)
        return self.mean + np.asarray(cross.T @ self.gradient), np.asarray(self._reducer @ cross)

    def draws(self, at: Array, count: int, seed: int) -> Array:
        """Joint draws of f at (points, coordinates): (count, points); the same seed gives the same draws."""
        mean, reduced = self._projected(at)
        root = root_of(self.kernel(at, at) - reduced.T @ reduced, self.kernel.variance)
        noise = np.random.default_rng(seed).standard_normal((count, len(at)))
        return np.asarray(mean + noise @ root.T)


def root_of(covariance: Array, scale: float) -> Array:
    """A lower root of a covariance, (..., points, points), that may be singular up to rounding.

    Args:
        covariance: of values at points of which some may all but coincide.
        scale: the variance that the values had before any trial.
    """
    noise = SMALLEST_NOISE * scale
    size = covariance.shape[-1]
    while True:
        try:
            if covariance.ndim == 2:
                return np.asarray(cholesky(covariance + noise * np.eye(size), lower=True, check_finite=False))
            return np.asarray(np.linalg.cholesky(covariance + noise * np.eye(size)), dtype=np.float64)
        except (LinAlgError, np.linalg.LinAlgError):
            noise *= 10.0


def fit_binomial(
    kernel: Matern52, points: Array, diverged: Array, total: Array, *, mean: float = 0.0
) -> BinomialProcess:
    """The posterior after `diverged` of `total` trials at each point, by Laplace's approximation.

    Args:
        kernel: of the latent function.
        points: of the cells, (cells, coordinates).
        diverged: trials that diverged there, (cells,); need not be whole numbers.
        total: trials there, (cells,), at least as many; need not be whole either.
        mean: of the latent function before any trial.
    """
    covariance = kernel(points, points)
    latent, _, factor = laplace(covariance, diverged, total, mean)
    probability = expit(latent + mean)
    root_weights = np.sqrt(total * probability * (1 - probability))
    return BinomialProcess(kernel, points, diverged - total * probability, root_weights, factor, mean)


def laplace(covariance: Array, diverged: Array, total: Array, mean: float) -> tuple[Array, float, Array]:
    """Where the posterior has its mode, f minus its mean, (cells,); log evidence; and the Cholesky factor of B there.

    Args:
        covariance: of f at the cells, (cells, cells).
        diverged: trials that diverged there, (cells,).
        total: trials there, (cells,).
        mean: of f before any trial.
    """
    latent, weights_of_kernel = np.zeros(len(total)), np.zeros(len(total))
    objective = _objective(latent, weights_of_kernel, diverged, total, mean)
    for _ in range(MOST_NEWTON_STEPS):
        target = _newton_target(covariance, latent, diverged, total, mean)
        step, improved = 1.0, -np.inf
        while step > SHORTEST_STEP:  # shorter steps where a whole one overshoots
            trial = weights_of_kernel + step * (target - weights_of_kernel)
            ahead = covariance @ trial
            improved = _objective(ahead, trial, diverged, total, mean)
            if improved >= objective:
                break
            step /= 2
        if improved - objective < CONVERGED:
            break
        weights_of_kernel, latent, objective = trial, ahead, improved
    probability = expit(latent + mean)
    factor = factor_of(covariance, np.sqrt(total * probability * (1 - probability)))
    return latent, objective - float(np.log(np.diag(factor)).sum()), factor


def _objective(latent: Array, weights_of_kernel: Array, diverged: Array, total: Array, mean: float) -> float:
    """Log posterior of f - mean = K a, up to a constant."""
    log_likelihood = np.sum(diverged * (latent + mean) - total * np.logaddexp(0.0, latent + mean))
    return float(log_likelihood - weights_of_kernel @ latent / 2)


def _newton_target(covariance: Array, latent: Array, diverged: Array, total: Array, mean: float) -> Array:
    """The `a` of one whole Newton step."""
    probability = expit(latent + mean)
    root_weights = np.sqrt(total * probability * (1 - probability))
    ahead = root_weights**2 * latent + diverged - total * probability
    factor = (factor_of(covariance, root_weights), True)
    return np.asarray(ahead - root_weights * cho_solve(factor, root_weights * (covariance @ ahead), check_finite=False))


def factor_of(covariance: Array, root_weights: Array) -> Array:
    """The lower Cholesky factor of B = I + W^1/2 K W^1/2, (cells, cells)."""
    inner = root_weights[:, None] * covariance * root_weights
    inner[np.diag_indices_from(inner)] += 1.0
    return np.tril(cho_factor(inner, lower=True, check_finite=False)[0])
