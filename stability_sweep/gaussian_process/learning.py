"""Learning the kernel from trials: the parameters with the largest posterior, or a few sets of them with weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import expit

from stability_sweep.gaussian_process.binomial import laplace
from stability_sweep.gaussian_process.kernel import Matern52
from stability_sweep.typing import Array

# Log-normal priors: without them a study whose boundary is straight gets an endless length and a band that is far too
# narrow. Medians: a length of 0.6 (coordinates run from 0 to 1), a variance of 20 (P from 1e-4 to 1 - 1e-4 within two
# deviations).
PRIOR_LENGTH, PRIOR_VARIANCE, PRIOR_LOG_SD = 0.6, 20.0, 1.0
LENGTH_BOUNDS, VARIANCE_BOUNDS = (0.05, 20.0), (0.5, 1000.0)

MOST_ITERATIONS = 60

STEP = 1e-3
"""Of the differences that the curvature at the best parameters is taken from."""

CENTRE_SHARE = 2.0
"""Of the cubature rule: its centre weighs as much as so many of the axes through it."""

LEAST_WEIGHT = 0.05
"""Kernels of less weight are left out."""


@dataclass(frozen=True)
class _Posterior:
    """Of the kernel's logarithms, given cells and counts."""

    points: Array
    diverged: Array
    total: Array
    mean: float

    def __call__(self, logarithms: Array) -> tuple[float, Array]:
        """Log posterior (up to a constant) and its slope, (parameters,): Laplace's evidence and the log prior.

        Source: Rasmussen and Williams 2006, algorithm 5.1, with a binomial likelihood.
        """
        kernel = Matern52.of(logarithms)
        covariance = kernel(self.points, self.points)
        latent, evidence, factor = laplace(covariance, self.diverged, self.total, self.mean)
        probability = expit(latent + self.mean)
        slope = self.diverged - self.total * probability
        weights = self.total * probability * (1 - probability)
        root_weights = np.sqrt(weights)
        inverse = solve_triangular(factor, np.diag(root_weights), lower=True, check_finite=False)
        reduced = inverse @ covariance
        precision = inverse.T @ inverse  # W^1/2 B^-1 W^1/2
        variance = np.diag(covariance) - np.einsum("ij,ij->j", reduced, reduced)
        # The mode moves with the kernel, and log |B| with the mode: half the variance times how fast W changes.
        moved = -0.5 * variance * weights * (1 - 2 * probability)
        slopes = []
        for change in kernel.slopes(self.points):
            pushed = change @ slope  # K a is f, so a is the slope of the log likelihood at the mode
            direct = 0.5 * float(slope @ pushed) - 0.5 * float(np.sum(precision * change))
            slopes.append(direct + float(moved @ (pushed - covariance @ (precision @ pushed))))
        distance = (logarithms - _prior_centre(len(kernel.lengths))) / PRIOR_LOG_SD
        return evidence - float(distance @ distance) / 2, np.array(slopes) - distance / PRIOR_LOG_SD


def prior_kernel(coordinates: int) -> Matern52:
    """The kernel before any trial: the median of every parameter."""
    return Matern52(PRIOR_VARIANCE, (PRIOR_LENGTH,) * coordinates)


def learn_kernel(points: Array, diverged: Array, total: Array, *, mean: float = 0.0) -> Matern52:
    """The kernel whose parameters have the largest posterior.

    Args:
        points: of the cells, (cells, coordinates); time grows with the cube of their number.
        diverged: trials that diverged there, (cells,).
        total: all trials there, (cells,).
        mean: of the latent function before any trial.

    Returns:
        The prior's kernel where all trials ended alike: there is nothing to learn from.
    """
    if diverged.sum() <= 0 or (total - diverged).sum() <= 0:
        return prior_kernel(points.shape[1])
    return Matern52.of(_largest(_Posterior(points, diverged, total, mean), points.shape[1]))


def weighed_kernels(points: Array, diverged: Array, total: Array, *, mean: float = 0.0) -> list[tuple[float, Matern52]]:
    """Kernels with weights that stand for all that the trials allow: what one kernel says is surer than it may be.

    The posterior of the parameters' logarithms is taken for a Gaussian with the curvature at its mode; a cubature rule
    of degree three (the mode, and one point on either side along every principal axis) is weighed anew by how large
    the posterior really is at its points. Deterministic.

    Source: the idea is that of integrated nested Laplace approximations (Rue, Martino and Chopin, JRSS B 71, 2009).

    Args:
        points: of the cells, (cells, coordinates).
        diverged: trials that diverged there, (cells,).
        total: all trials there, (cells,).
        mean: of the latent function before any trial.

    Returns:
        At most 3 + 2 coordinates pairs; the weights add up to one, the heaviest comes first.
    """
    coordinates = points.shape[1]
    if diverged.sum() <= 0 or (total - diverged).sum() <= 0:
        return _weighed_prior(coordinates)
    posterior = _Posterior(points, diverged, total, mean)
    best = _largest(posterior, coordinates)
    offsets = STEP * np.eye(len(best))
    curvature = -np.array([(posterior(best + d)[1] - posterior(best - d)[1]) / (2 * STEP) for d in offsets])
    values, axes = np.linalg.eigh((curvature + curvature.T) / 2)
    # At a bound, or where rounding is all there is, the curvature may be anything; the prior's is there always.
    deviations = 1.0 / np.sqrt(np.maximum(values, 0.5 / PRIOR_LOG_SD**2))
    return _cubature(best, axes * deviations, posterior)


def _weighed_prior(coordinates: int) -> list[tuple[float, Matern52]]:
    centre = _prior_centre(coordinates)

    def prior(logarithms: Array) -> tuple[float, Array]:
        distance = (logarithms - centre) / PRIOR_LOG_SD
        return -float(distance @ distance) / 2, -distance / PRIOR_LOG_SD

    return _cubature(centre, PRIOR_LOG_SD * np.eye(len(centre)), prior)


def _cubature(
    centre: Array, axes: Array, posterior: Callable[[Array], tuple[float, Array]]
) -> list[tuple[float, Matern52]]:
    """The points of the rule with their weights, heaviest first."""
    size = len(centre)
    reach = np.sqrt(size + CENTRE_SHARE)
    lowest, highest = _bounds(size - 1).T
    chosen = [centre]
    chosen += [np.clip(centre + sign * reach * axes[:, i], lowest, highest) for i in range(size) for sign in (-1, 1)]
    shares = np.array([CENTRE_SHARE, *(0.5 for _ in chosen[1:])]) / (size + CENTRE_SHARE)
    heights = np.array([posterior(point)[0] for point in chosen])
    gaussian = np.array([0.0, *(-(reach**2) / 2 for _ in chosen[1:])])
    weights = shares * np.exp(np.minimum(heights - heights[0] - gaussian, 50.0))
    weights /= weights.sum()
    kept = sorted((i for i in range(len(chosen)) if weights[i] >= LEAST_WEIGHT), key=lambda i: (-weights[i], i))
    total = weights[kept].sum()
    return [(float(weights[i] / total), Matern52.of(chosen[i])) for i in kept]


def _largest(posterior: _Posterior, coordinates: int) -> Array:
    from scipy.optimize import minimize  # takes longer to import than most commands run

    def objective(logarithms: Array) -> tuple[float, Array]:
        value, slope = posterior(logarithms)
        return -value, -slope

    found: Any = minimize(  # type: ignore[call-overload]
        objective,
        _prior_centre(coordinates),
        jac=True,
        bounds=_bounds(coordinates),
        method="L-BFGS-B",
        options={"maxiter": MOST_ITERATIONS},
    )
    return np.asarray(found.x)


def _prior_centre(coordinates: int) -> Array:
    return prior_kernel(coordinates).logarithms


def _bounds(coordinates: int) -> Array:
    """Lowest and highest logarithm of every parameter, (1 + coordinates, 2)."""
    return np.asarray(np.log([VARIANCE_BOUNDS, *(LENGTH_BOUNDS for _ in range(coordinates))]))
