"""Logistic regression with a weak normal prior, and what it says of a contrast: estimate, interval, covariance.

The prior keeps every coefficient finite where a level's trials all ended alike (separation; A. Gelman et al., Ann.
Appl. Stat. 2, 2008), so that no effect has to be left out for being strong.

Shapes: n trials, p features.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.linalg import null_space
from scipy.special import expit

from stability_sweep.typing import Array, Integers

MOST_STEPS, MOST_HALVINGS = 60, 30
"""Of Newton's method."""

CONVERGED = 1e-8
"""It ends where a step raises the log posterior by less."""

ROOT_TOLERANCE = 0.01
"""Of an interval's end, in standard deviations."""

MOST_DEVIATIONS = 1000
"""An end that lies further out is not looked for."""

LEAST_SCALED, MOST_SCALED = 0.2, 4.0
"""How far observed agreement inside clusters may change the variance of a contrast."""


@dataclass(frozen=True)
class LogisticFit:
    """A fitted regression."""

    features: Array
    """(n, p)."""
    diverged: Array
    """0 or 1, (n,)."""
    precision: Array
    """Of the prior of every coefficient, (p,)."""
    coefficients: Array
    """At the maximum of the posterior, (p,)."""
    height: float
    """The log posterior there."""

    @cached_property
    def covariance(self) -> Array:
        """Of the coefficients, (p, p): the inverse curvature of the log posterior."""
        curvature = _curvature(self.features, self.coefficients, self.precision)
        return np.asarray(np.linalg.inv(curvature), dtype=np.float64)

    def clustered_covariance(self, clusters: Integers) -> Array:
        """Covariance where trials of one cluster may end alike, (p, p).

        The sandwich whose residuals are those of leaving their whole cluster out (CR3; R. M. Bell, D. F. McCaffrey,
        Survey Methodology 28, 2002), which errs to the wide side with few clusters.

        Args:
            clusters: which one a trial is in, (n,).
        """
        odds = self.features @ self.coefficients
        chance, deviation = expit(odds), np.sqrt(np.maximum(slope_of(odds), 1e-9))
        residuals, weighed = (self.diverged - chance) / deviation, self.features * deviation[:, None]
        middle = np.zeros_like(self.covariance)
        order = np.argsort(clusters, kind="stable")
        for inside in np.split(order, np.flatnonzero(np.diff(clusters[order])) + 1):
            rows = weighed[inside]
            left_out = np.linalg.solve(np.eye(len(inside)) - rows @ self.covariance @ rows.T, residuals[inside])
            score = rows.T @ left_out
            middle += np.outer(score, score)
        return self.covariance @ middle @ self.covariance

    def effective_clusters(self, contrasts: Array, clusters: Integers) -> float:
        """How many equally telling clusters would tell as much of contrasts: the mean over them.

        By the share that each cluster has in a contrast's variance (after F. E. Satterthwaite, Biometrics Bull. 2,
        1946).

        Args:
            contrasts: (contrasts, p).
            clusters: which one a trial is in, (n,).
        """
        telling = slope_of(self.features @ self.coefficients)
        reach = self.features @ self.covariance @ contrasts.T
        shares = pd.DataFrame(reach**2 * telling[:, None]).groupby(clusters).sum().to_numpy()
        return float((shares.sum(axis=0) ** 2 / (shares**2).sum(axis=0)).mean())

    def ends(self, contrast: Array, reach: float) -> tuple[Array, Array]:
        """The coefficients at both ends of a contrast's profile interval, (p,) each: low and high.

        At an end the log posterior, maximized over everything else, lies reach² / 2 below its maximum.

        Args:
            contrast: what each coefficient counts for in it, (p,); not all zero.
            reach: of the interval, in standard deviations.
        """
        middle = float(contrast @ self.coefficients)
        deviation = math.sqrt(float(contrast @ self.covariance @ contrast))
        others = null_space(contrast[None, :])

        def at(value: float) -> tuple[Array, float]:
            start = self.coefficients + contrast * ((value - middle) / float(contrast @ contrast))
            return _maximize(self.features, self.diverged, self.precision, start, others)

        low, high = (self._root(at, middle, sign * deviation, reach, math.inf) for sign in (-1, 1))
        return at(low)[0], at(high)[0]

    def ratio_ends(self, contrast: Array, slope: Array, reach: float, furthest: float) -> tuple[float, float]:
        """The ends of the profile interval of the ratio -contrast / slope of two sums of coefficients.

        That the ratio is r says (contrast + r slope) @ coefficients = 0, which is linear: no delta method is needed,
        and the interval holds 0 if and only if that of the contrast does (E. C. Fieller, J. R. Stat. Soc. B 16, 1954).

        Args:
            contrast: (p,).
            slope: (p,); positive at the estimate.
            reach: of the interval, in standard deviations.
            furthest: an end further from the estimate than this is infinite.
        """
        middle = -float(contrast @ self.coefficients) / float(slope @ self.coefficients)
        line = contrast + middle * slope
        deviation = math.sqrt(float(line @ self.covariance @ line)) / float(slope @ self.coefficients)

        def at(ratio: float) -> tuple[Array, float]:
            zero = contrast + ratio * slope
            start = self.coefficients - zero * (float(zero @ self.coefficients) / float(zero @ zero))
            return _maximize(self.features, self.diverged, self.precision, start, null_space(zero[None, :]))

        low, high = (self._root(at, middle, sign * deviation, reach, furthest) for sign in (-1, 1))
        return low, high

    def _root(
        self, at: Callable[[float], tuple[Array, float]], middle: float, step: float, reach: float, furthest: float
    ) -> float:
        """Where along a profile the log posterior has fallen by reach² / 2.

        Args:
            at: from a value to the coefficients at the maximum that has it, and the height there.
            middle: the estimate.
            step: one standard deviation towards the end that is looked for.
            reach: in standard deviations.
            furthest: it is not looked for beyond.
        """
        from scipy.optimize import brentq

        def missing(value: float) -> float:
            return math.sqrt(max(2 * (self.height - at(value)[1]), 0.0)) - reach

        inner, outer = middle, middle + reach * step
        while missing(outer) < 0:
            inner, outer = outer, middle + 2 * (outer - middle)
            if abs(inner - middle) > furthest or abs(inner - middle) > MOST_DEVIATIONS * abs(step):
                return math.copysign(math.inf, step) if math.isfinite(furthest) else inner
        return float(brentq(missing, inner, outer, xtol=ROOT_TOLERANCE * abs(step)))


def fit_logistic(features: Array, diverged: Array, precision: Array) -> LogisticFit:
    """The regression of outcomes on features.

    Args:
        features: (n, p), the constant among them.
        diverged: 0 or 1, (n,).
        precision: of the normal prior of every coefficient, (p,); positive.
    """
    found, height = _maximize(features, diverged, precision, np.zeros(features.shape[1]), None)
    return LogisticFit(features, diverged, precision, found, height)


def slope_of(odds: Array) -> Array:
    """The derivative of probabilities by their log odds, of the same shape."""
    chance = expit(odds)
    return np.asarray(chance * (1 - chance))


def scale_of(contrast: Array, clustered: Array, plain: Array) -> float:
    """What clusters do to the variance of a contrast, within reason."""
    return float(np.clip((contrast @ clustered @ contrast) / (contrast @ plain @ contrast), LEAST_SCALED, MOST_SCALED))


def _maximize(
    features: Array, diverged: Array, precision: Array, start: Array, directions: Array | None
) -> tuple[Array, float]:
    """Coefficients at the maximum of the log posterior along some directions, (p, directions), or all; its height.

    Newton's method, with steps that are halved until they climb.
    """
    coefficients, height = start, _height(features, diverged, precision, start)
    for _ in range(MOST_STEPS):
        slope = features.T @ (diverged - expit(features @ coefficients)) - precision * coefficients
        curvature = _curvature(features, coefficients, precision)
        if directions is None:
            step = np.linalg.solve(curvature, slope)
        else:
            step = directions @ np.linalg.solve(directions.T @ curvature @ directions, directions.T @ slope)
        for _ in range(MOST_HALVINGS):
            moved = _height(features, diverged, precision, coefficients + step)
            if moved >= height:
                break
            step = step / 2
        else:
            break
        gain, coefficients, height = moved - height, coefficients + step, moved
        if gain < CONVERGED:
            break
    return coefficients, height


def _height(features: Array, diverged: Array, precision: Array, coefficients: Array) -> float:
    odds = features @ coefficients
    return float((diverged * odds - np.logaddexp(0.0, odds)).sum() - (precision * coefficients**2).sum() / 2)


def _curvature(features: Array, coefficients: Array, precision: Array) -> Array:
    return (features * slope_of(features @ coefficients)[:, None]).T @ features + np.diag(precision)
