"""What a remedy costs at equal images seen: in the yardstick, in the speed of learning, in time.

Trials that are stable with and without it are compared, never the best ones: paired trials by the median of their
differences (Hodges-Lehmann, with Wilcoxon's interval; J. L. Hodges, E. L. Lehmann, Ann. Math. Stat. 34, 1963), others
by a robust regression on their settings (Huber; P. J. Huber, Ann. Math. Stat. 35, 1964).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.stats import norm

from stability_sweep.analysis.contrasts import NOT_KNOWN, Estimate
from stability_sweep.analysis.features import Features
from stability_sweep.analysis.pairs import alike_but_for
from stability_sweep.analysis.proportion import CONFIDENCE
from stability_sweep.analysis.ranking import measured_yardsticks
from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome
from stability_sweep.sources.protocol import EpochsOf
from stability_sweep.typing import Array, Mask

FEWEST_PAIRS = 6
"""With fewer differences no interval of theirs has 95%."""

MOST_PAIRED = 1000
"""All means of two of so many differences are formed."""

FEWEST_SPARE = 10
"""Stable trials beyond the number of features that a regression needs."""

ALIKE = 0.02
"""Images seen that differ by less are the same."""


@dataclass(frozen=True)
class Price:
    """What trials with a remedy paid, against trials without."""

    yardstick: Estimate = NOT_KNOWN
    """Change; positive is worse."""
    speed: Estimate = NOT_KNOWN
    """Fall of the yardstick per image seen, as a ratio; below 1 is slower."""
    seconds: Estimate = NOT_KNOWN
    """Time per image seen, as a ratio."""


@dataclass(frozen=True)
class Prices:
    """The stable trials of a study, and what they paid."""

    trials: pd.DataFrame
    """Stable trials with a yardstick."""
    features: Features
    blocks: pd.Series[int] | None
    """Of all trials, by index; None where none are paired."""
    epochs: Array
    """Passes over the training data, (trials,); NaN where that is not known."""

    @classmethod
    def of(
        cls, frame: pd.DataFrame, features: Features, blocks: pd.Series[int] | None, epochs_of: EpochsOf | None
    ) -> Prices:
        """Those of a study.

        Args:
            frame: its trials.
            features: what a regression adjusts for.
            blocks: the block of every trial, by the frame's index; None where none are paired.
            epochs_of: from a point to optimizer steps in one pass over the training data.
        """
        measured = measured_yardsticks(frame)
        is_stable = measured[columns.OUTCOME] == Outcome.STABLE.value
        stable = measured[is_stable & np.isfinite(measured[columns.YARDSTICK])]
        return cls(stable, features, blocks, _epochs(stable, features, epochs_of))

    def of_sides(self, with_it: Mask, without: Mask, about: Collection[str]) -> Price:
        """The price of what some trials have and others have not.

        Args:
            with_it: which of `trials` have it, (trials,).
            without: which are compared with them, (trials,).
            about: the dimensions in which they differ by that.
        """
        if not with_it.any() or not without.any():
            return Price()
        paid = self._adjusted if self.blocks is None else self._paired
        return paid(with_it, without, about)

    @cached_property
    def _amounts(self) -> tuple[Array, Array, Array]:
        """Yardstick, logarithm of the gain per epoch, and of the seconds per epoch, (trials,) each."""
        yardstick = self.trials[columns.YARDSTICK].to_numpy(np.float64)
        seen = np.where(np.isnan(self.epochs), self.trials[columns.STEPS].to_numpy(np.float64), self.epochs)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            gain = np.log((self.trials[columns.YARDSTICK_AT_START].to_numpy(np.float64) - yardstick) / seen)
            seconds = np.log(self.trials[columns.WALL_SECONDS].to_numpy(np.float64) / seen)
        return yardstick, gain, seconds

    def _paired(self, with_it: Mask, without: Mask, about: Collection[str]) -> Price:
        assert self.blocks is not None
        alike = alike_but_for(self.trials, self.blocks, self.features.space, about).tolist()
        partner = {alike[place]: place for place in np.flatnonzero(without)}
        pairs = [(place, partner[alike[place]]) for place in np.flatnonzero(with_it) if alike[place] in partner]
        places = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        yardstick, gain, seconds = (amount[places[:, 0]] - amount[places[:, 1]] for amount in self._amounts)
        seen = np.log(self.epochs[places[:, 0]] / self.epochs[places[:, 1]])
        same = ~(np.abs(seen) > ALIKE)
        return Price(
            median_difference(yardstick[same]),
            _ratio(median_difference(gain[same])),
            _ratio(median_difference(seconds)),
        )

    def _adjusted(self, with_it: Mask, without: Mask, about: Collection[str]) -> Price:
        chosen = with_it | without
        matrix = self.features.matrix(self.trials[chosen], but=about)
        indicator = with_it[chosen].astype(np.float64)
        seen = np.log(self.epochs[chosen])
        others = [column for column in matrix.T if np.ptp(column) > 0]
        if np.isfinite(seen).all() and np.ptp(seen) > ALIKE:
            others.append(seen)
        yardstick, gain, seconds = (amount[chosen] for amount in self._amounts)
        return Price(
            _regressed(yardstick, indicator, others),
            _ratio(_regressed(gain, indicator, others)),
            _ratio(_regressed(seconds, indicator, others)),
        )


def median_difference(differences: Array) -> Estimate:
    """The median of all means of two differences, with the 95% interval of Wilcoxon's signed ranks.

    Args:
        differences: (pairs,); those that are not finite are left out.
    """
    known = differences[np.isfinite(differences)][:MOST_PAIRED]
    count = len(known)
    if count < FEWEST_PAIRS:
        return NOT_KNOWN
    first, second = np.triu_indices(count)
    means = np.sort((known[first] + known[second]) / 2)
    deviation = math.sqrt(count * (count + 1) * (2 * count + 1) / 24)
    below = math.floor(len(means) / 2 - norm.isf((1 - CONFIDENCE) / 2) * deviation)
    below = max(below, 0)
    return Estimate(float(np.median(means)), float(means[below]), float(means[len(means) - 1 - below]))


def _regressed(amount: Array, indicator: Array, others: list[Array]) -> Estimate:
    """The coefficient of an indicator in a robust regression; unknown where the others tell it, or trials are few."""
    import statsmodels.api as sm  # type: ignore[import-untyped]  # slow to import

    known = np.isfinite(amount)
    matrix = np.column_stack([np.ones(len(amount)), *others])[known]
    target, mark = amount[known], indicator[known]
    if len(target) < matrix.shape[1] + FEWEST_SPARE or np.ptp(mark) == 0 or np.ptp(target) == 0:
        return NOT_KNOWN
    left = mark - matrix @ np.linalg.lstsq(matrix, mark, rcond=None)[0]
    if np.linalg.norm(left) < 1e-3 * np.linalg.norm(mark):
        return NOT_KNOWN
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it did not converge: an interval says how sure it is
        found = sm.RLM(target, np.column_stack([mark, matrix]), M=sm.robust.norms.HuberT()).fit()
    middle, error = float(found.params[0]), float(found.bse[0])
    if not math.isfinite(error):
        return NOT_KNOWN
    reach = float(norm.isf((1 - CONFIDENCE) / 2)) * error
    return Estimate(middle, middle - reach, middle + reach)


def _ratio(difference: Estimate) -> Estimate:
    """A difference of logarithms as a ratio."""
    ends = np.exp(np.clip([difference.value, difference.low, difference.high], -700, 700)).tolist()
    return Estimate(*ends)


def _epochs(trials: pd.DataFrame, features: Features, epochs_of: EpochsOf | None) -> Array:
    if epochs_of is None:
        return np.full(len(trials), math.nan)
    names = [name for name in features.space if name in trials]
    points = trials[names].to_dict("records")
    per_epoch = [epochs_of({str(name): value for name, value in point.items()}) or math.nan for point in points]
    return np.asarray(trials[columns.STEPS].to_numpy(np.float64) / np.array(per_epoch, dtype=np.float64))
