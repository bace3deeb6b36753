"""How alike settings behave, and learning that from trials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from stability_sweep.typing import Array

KERNEL_TRIALS = 300
"""The kernel's parameters are learned from at most so many trials: time grows with the cube."""

# Log-normal priors: without them a study whose boundary is straight gets an endless length and a band that is far too
# narrow. Medians: a length of 0.6 (coordinates run from 0 to 1), a variance of 20 (P from 1e-4 to 1 - 1e-4 within two
# deviations).
PRIOR_LENGTH, PRIOR_VARIANCE, PRIOR_LOG_SD = 0.6, 20.0, 1.0
LENGTH_BOUNDS, VARIANCE_BOUNDS = (0.05, 20.0), (0.5, 1000.0)


@dataclass(frozen=True)
class SquaredExponential:
    """The covariance of a smooth latent function, with one length per coordinate."""

    variance: float
    lengths: tuple[float, ...]
    """Over how far settings behave alike, one per coordinate; coordinates run from 0 to 1."""

    def __call__(self, one: Array, other: Array) -> Array:
        """Covariances of (m, coordinates) and (n, coordinates): (m, n)."""
        scale = np.array(self.lengths)
        return np.asarray(self.variance * np.exp(-0.5 * cdist(one / scale, other / scale, "sqeuclidean")))


def learn_kernel(points: Array, diverged: Array, seed: int) -> SquaredExponential:
    """The kernel whose parameters have the largest posterior, by scikit-learn's gradient of the evidence.

    Args:
        points: of the trials, (trials, coordinates).
        diverged: 1 or 0 per trial, (trials,).
        seed: of the choice of trials where there are more than `KERNEL_TRIALS`.

    Returns:
        The prior's kernel where all trials ended alike: there is nothing to learn from.
    """
    from sklearn.gaussian_process import GaussianProcessClassifier
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel

    coordinates = points.shape[1]
    chosen = np.arange(len(points))
    if len(points) > KERNEL_TRIALS:
        chosen = np.random.default_rng(seed).choice(len(points), KERNEL_TRIALS, replace=False)
    if len(set(diverged[chosen])) < 2:
        return SquaredExponential(PRIOR_VARIANCE, (PRIOR_LENGTH,) * coordinates)
    start = ConstantKernel(PRIOR_VARIANCE, VARIANCE_BOUNDS) * RBF([PRIOR_LENGTH] * coordinates, LENGTH_BOUNDS)
    classifier = GaussianProcessClassifier(start, optimizer=_largest_posterior)
    theta = classifier.fit(points[chosen], diverged[chosen]).kernel_.theta
    variance, *lengths = (float(value) for value in np.exp(theta))
    return SquaredExponential(variance, tuple(lengths))


def _largest_posterior(objective: Callable[[Array], tuple[float, Array]], start: Array, bounds: Array) -> Any:
    """An optimizer for scikit-learn: its negative log evidence minus our log prior."""
    from scipy.optimize import minimize

    def penalized(theta: Array) -> tuple[float, Array]:
        value, slope = objective(theta)
        distance = (theta - start) / PRIOR_LOG_SD
        return float(value + np.sum(distance**2) / 2), np.asarray(slope + distance / PRIOR_LOG_SD)

    found: Any = minimize(  # type: ignore[call-overload]
        penalized, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": 40}
    )
    return found.x, found.fun
