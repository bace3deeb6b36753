"""Expectation propagation: a posterior that is as sure as the trials allow, also where the outcome is all but certain.

Laplace's approximation lays a Gaussian over the mode. Where all trials near a point ended alike, the posterior of the
latent value is skewed and its mode far from its mean: P comes out far too near one half. On the 625 real trainings of
`benchmarks/data` the expected number of contrary outcomes in the tails was 9 times what was seen with Laplace, and 1.8
times with this; see docs/read-a-report.md.

Source: T. Minka, *Expectation propagation for approximate Bayesian inference* (UAI 2001); Rasmussen and Williams 2006,
sections 3.6 and 5.5.2. All sites are updated at once and damped: undamped they oscillate.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.special import expit, log_expit

from stability_sweep.gaussian_process.binomial import BinomialProcess, factor_of, fit_binomial
from stability_sweep.gaussian_process.kernel import Matern52
from stability_sweep.typing import Array

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(32)
LOG_WEIGHTS = np.log(WEIGHTS / WEIGHTS.sum())

MOST_SWEEPS, DAMPING = 60, 0.6
CONVERGED = 1e-3
"""It ends when no P(diverge), and no standard deviation (relative to 1 more than itself), changes by more."""

LEAST = 1e-8
"""Of weights and variances: none may vanish or become negative by rounding."""


def propagate(kernel: Matern52, points: Array, diverged: Array, total: Array, *, mean: float = 0.0) -> BinomialProcess:
    """The posterior after `diverged` of `total` trials at each point, by expectation propagation.

    Args:
        kernel: of the latent function.
        points: of the cells, (cells, coordinates).
        diverged: trials that diverged there, (cells,); need not be whole numbers.
        total: trials there, (cells,), at least as many; need not be whole either.
        mean: of the latent function before any trial.
    """
    start = fit_binomial(kernel, points, diverged, total, mean=mean)
    covariance = kernel(points, points)
    weights = np.maximum(start.root_weights**2, LEAST)
    # A site is exp(shift f - weight f^2 / 2); Laplace's are tangent at the mode.
    shifts = weights * (covariance @ start.gradient) + start.gradient
    damping, previous = DAMPING, np.inf
    for _ in range(MOST_SWEEPS):
        located, spread = _marginals(covariance, weights, shifts)
        after, narrowed = _tilted(located, spread, weights, shifts, diverged, total, mean)
        deviation = np.sqrt(spread)
        change = max(
            float(np.abs(expit(after + mean) - expit(located + mean)).max()),
            float((np.abs(np.sqrt(narrowed) - deviation) / (1.0 + deviation)).max()),
        )
        if change < CONVERGED:
            break
        if change > previous:
            damping = max(damping / 1.5, 0.1)
        previous = change
        # What the cavity, the posterior without this site, lacks to the moments that the true likelihood gives.
        wanted = np.maximum(weights + 1.0 / narrowed - 1.0 / spread, LEAST)
        wanted_shifts = shifts + after / narrowed - located / spread
        weights = (1.0 - damping) * weights + damping * wanted
        shifts = (1.0 - damping) * shifts + damping * wanted_shifts
    root_weights = np.sqrt(weights)
    factor = factor_of(covariance, root_weights)
    pulled = cho_solve((factor, True), root_weights * (covariance @ shifts), check_finite=False)
    return BinomialProcess(kernel, points, shifts - root_weights * pulled, root_weights, factor, mean)


def _marginals(covariance: Array, weights: Array, shifts: Array) -> tuple[Array, Array]:
    """Mean (minus the prior's) and variance of f at every cell under the present sites, (cells,) each."""
    root_weights = np.sqrt(weights)
    factor = factor_of(covariance, root_weights)
    reduced = solve_triangular(factor, root_weights[:, None] * covariance, lower=True, check_finite=False)
    variance = np.diag(covariance) - np.einsum("ij,ij->j", reduced, reduced)
    return covariance @ shifts - reduced.T @ (reduced @ shifts), np.maximum(variance, LEAST)


def _tilted(
    located: Array, spread: Array, weights: Array, shifts: Array, diverged: Array, total: Array, mean: float
) -> tuple[Array, Array]:
    """Mean and variance of f at every cell with the true likelihood instead of the site, (cells,) each.

    Args:
        located: mean of the present posterior, (cells,), minus the prior's.
        spread: its variance, (cells,).
        weights: of the sites, (cells,).
        shifts: of the sites, (cells,).
        diverged: trials that diverged, (cells,).
        total: all trials, (cells,).
        mean: of f before any trial.
    """
    # Nodes of the present posterior: the integrand is all but one there once the sites are right.
    values = located[:, None] + np.sqrt(spread)[:, None] * NODES
    logs = diverged[:, None] * log_expit(values + mean) + (total - diverged)[:, None] * log_expit(-values - mean)
    logs += 0.5 * weights[:, None] * values**2 - shifts[:, None] * values + LOG_WEIGHTS
    masses = np.exp(logs - logs.max(axis=1, keepdims=True))
    masses /= masses.sum(axis=1, keepdims=True)
    after = np.einsum("ij,ij->i", masses, values)
    return after, np.maximum(np.einsum("ij,ij->i", masses, (values - after[:, None]) ** 2), LEAST)
