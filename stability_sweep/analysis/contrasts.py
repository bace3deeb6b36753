"""What a setting changes: trials that have it against trials that have another, all else alike.

A contrast is judged by a logistic regression of the outcomes (`logistic`, `features`), so that a difference between the
trials' learning rates, batch sizes and other settings is not taken for its effect. Where trials are *paired* (the same
point and seed with and without it) the covariance is that of the pairs, whose members tend to end alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.special import expit

from stability_sweep.analysis.features import Features, typical_points
from stability_sweep.analysis.logistic import LogisticFit, fit_logistic, scale_of, slope_of
from stability_sweep.analysis.pairs import blocks_of
from stability_sweep.analysis.proportion import CONFIDENCE
from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome
from stability_sweep.sources.frame import counted
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array, Integers

DRAWS = 20_000
"""Of what the largest of several deviations is."""

LEAST_SLOPE_RATIO = 2.0
"""A shift in decades needs log odds that rise with the learning rate, by so many standard deviations."""


SMALLEST_ODDS, SMALLEST_WEIGHT = 1e-4, 1e-12
"""Below the first a difference is a derivative; the second keeps a sum of weights from being nothing."""

FURTHEST = 2.0
"""A shift is not looked for beyond so many times the range of learning rates."""


@dataclass(frozen=True)
class Estimate:
    """A number with its interval."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan

    def under(self, value: str, low: str, high: str) -> dict[str, float]:
        """As three columns of a row."""
        return {value: self.value, low: self.low, high: self.high}


NOT_KNOWN = Estimate()


@dataclass(frozen=True)
class Contrast:
    """What is changed by one setting instead of another."""

    log_odds: Estimate = NOT_KNOWN
    """Of diverging; negative is good."""
    probability: Estimate = NOT_KNOWN
    """Change of P(diverge), averaged over the search space; negative is good."""
    decades: Estimate = NOT_KNOWN
    """By how much larger a learning rate may be for the same P(diverge); NaN where the trials do not tell."""


@dataclass(frozen=True)
class Sides:
    """The two sets of points that a contrast compares, row by row alike in everything else."""

    with_it: pd.DataFrame
    without: pd.DataFrame


@dataclass(frozen=True)
class ContrastModel:
    """The regression of a study's outcomes."""

    features: Features
    fit: LogisticFit
    blocks: Integers | None
    """Of trials with the same point and seed, (trials,); None where no trials are paired."""
    trials: pd.DataFrame
    """Those that it rests on."""
    points: pd.DataFrame
    """Typical of the search space."""

    @classmethod
    def of(cls, frame: pd.DataFrame, space: SearchSpace) -> ContrastModel | None:
        """The regression, from trials with a value for every dimension; None where all ended alike.

        Args:
            frame: trials; failed ones are left out.
            space: their search space.
        """
        trials = counted(frame)
        diverged = np.array(trials[columns.OUTCOME] == Outcome.DIVERGED.value, dtype=np.float64)
        if not len(trials) or diverged.min() == diverged.max():
            return None
        features = Features.of(space)
        fit = fit_logistic(features.matrix(trials), diverged, features.precision)
        blocks = blocks_of(trials, space)
        codes = None if blocks is None else np.array(blocks, dtype=np.int64)
        return cls(features, fit, codes, trials, typical_points(space, features.baseline))

    @cached_property
    def covariance(self) -> Array:
        """Of the coefficients, with what the trials of a block have in common, and what the model's shape misses."""
        if self.blocks is not None:
            return self.fit.clustered_covariance(self.blocks)
        return self.fit.clustered_covariance(np.arange(len(self.trials)))

    def contrasts(self, sides: Sequence[Sides | None], *, seed: int = 0) -> list[Contrast]:
        """The contrasts of several questions, whose intervals hold for all of them at once with 95% probability.

        Args:
            sides: what to compare; None where there is nothing on one side, which gives an unknown contrast.
            seed: of the draws that say how far the largest of several deviations reaches.
        """
        asked = [None if side is None else self._differences(side) for side in sides]
        known = [one for one in asked if one is not None and np.abs(one[0]).max() > 1e-9]
        if not known:
            return [Contrast() for _ in sides]
        reach = self._reach(np.array([one[0] for one in known]), seed)
        return [
            Contrast() if one is None or np.abs(one[0]).max() <= 1e-9 else self._contrast(*one, reach) for one in asked
        ]

    def _differences(self, sides: Sides) -> tuple[Array, Array, Array]:
        """The mean difference of the features, (features,), and the features of both sides, (points, features).

        A point counts by how much a difference of log odds there changes P(diverge), so that both have the same sign
        also where a setting does more at some points than at others, as a batch size does.
        """
        with_it, without = self.features.matrix(sides.with_it), self.features.matrix(sides.without)
        middle = (with_it + without) @ self.fit.coefficients / 2
        half = np.abs((with_it - without) @ self.fit.coefficients) / 2
        rise = expit(middle + half) - expit(middle - half)
        weight = np.where(half > SMALLEST_ODDS, rise / (2 * np.maximum(half, SMALLEST_ODDS)), slope_of(middle))
        weight = np.maximum(weight, SMALLEST_WEIGHT)
        return weight @ (with_it - without) / weight.sum(), with_it, without

    def _reach(self, contrasts: Array, seed: int) -> float:
        """Standard deviations within which all contrasts lie at once, (contrasts, features): of Student's t.

        With pairs the degrees of freedom are those of the blocks (T. Hothorn, F. Bretz, P. Westfall, Biometrical J. 50,
        2008), of which those far from the line tell nearly nothing.
        """
        covariance = contrasts @ self.covariance @ contrasts.T
        deviations = np.sqrt(np.diag(covariance))
        correlation = covariance / np.outer(deviations, deviations)
        random = np.random.default_rng(seed)
        drawn = random.multivariate_normal(
            np.zeros(len(contrasts)), correlation, DRAWS, method="eigh", check_valid="ignore"
        )
        if self.blocks is not None:
            freedom = max(1.0, self.fit.effective_clusters(contrasts, self.blocks) - 1)
            drawn /= np.sqrt(random.chisquare(freedom, DRAWS) / freedom)[:, None]
        return float(np.quantile(np.abs(drawn).max(axis=1), CONFIDENCE))

    def _contrast(self, contrast: Array, with_it: Array, without: Array, reach: float) -> Contrast:
        # Of dependent trials the log likelihood is scaled (R. E. Chandler, S. Bate, Biometrika 94, 2007).
        scale = scale_of(contrast, self.covariance, self.fit.covariance)
        # Pairs may well make a contrast surer; without them nothing does, and "surer" would be chance or a misfit.
        scaled = reach * math.sqrt(scale if self.blocks is not None else max(1.0, scale))
        ends = self.fit.ends(contrast, scaled)
        odds = _ordered([float(contrast @ each) for each in (self.fit.coefficients, *ends)])
        probability = self._probability(odds, ends, with_it, without, reach)
        return Contrast(odds, probability, self._decades(contrast, without, scaled))

    def _probability(
        self, odds: Estimate, ends: tuple[Array, Array], with_it: Array, without: Array, reach: float
    ) -> Estimate:
        """The change of P(diverge), with what the ends of the odds and the place of the line leave open.

        Where a remedy saves every trial the odds have no end, and the change is as unsure as P without it: so the
        interval of the delta method is added to the ends' own. It leaves out zero if and only if that of the odds does.

        Args:
            odds: of the contrast.
            ends: the coefficients at its ends.
            with_it: features of the points with the setting, (points, features).
            without: and without it.
            reach: of the intervals, in standard deviations.
        """

        def change(coefficients: Array) -> float:
            return float((expit(with_it @ coefficients) - expit(without @ coefficients)).mean())

        own = self.fit.coefficients
        slope = (slope_of(with_it @ own)[:, None] * with_it - slope_of(without @ own)[:, None] * without).mean(axis=0)
        width = reach * math.sqrt(float(slope @ self.covariance @ slope))
        middle, at_ends = change(own), [change(end) for end in ends]
        low, high = min(middle - width, *at_ends), max(middle + width, *at_ends)
        if odds.high < 0 <= high:
            high = min(0.0, max(at_ends))
        if low <= 0 < odds.low:
            low = max(0.0, min(at_ends))
        if odds.low <= 0 <= odds.high:
            low, high = min(low, 0.0), max(high, 0.0)
        return Estimate(middle, max(low, -1.0), min(high, 1.0))

    def _decades(self, contrast: Array, without: Array, reach: float) -> Estimate:
        """The shift of the learning rate that makes up for a contrast, by the slope near the 50% line."""
        if self.features.rate is None:
            return NOT_KNOWN
        coefficients = self.fit.coefficients
        weight = np.maximum(slope_of(without @ coefficients), SMALLEST_WEIGHT)
        slope = weight @ self._rate_slopes / weight.sum()
        rise = float(slope @ coefficients)
        if not rise > LEAST_SLOPE_RATIO * math.sqrt(slope @ self.covariance @ slope):
            return NOT_KNOWN
        furthest = FURTHEST * self.features.decades
        return Estimate(-float(contrast @ coefficients) / rise, *self.fit.ratio_ends(contrast, slope, reach, furthest))

    @cached_property
    def _rate_slopes(self) -> Array:
        """The derivative of the features by the learning rate at the typical points, (points, features)."""
        return self.features.rate_slope(self.points)


def _ordered(values: Sequence[float]) -> Estimate:
    """The estimate, and its ends in order; they hold the estimate."""
    middle, one, other = values
    return Estimate(middle, min(one, other, middle), max(one, other, middle))
