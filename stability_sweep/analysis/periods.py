"""Lives cut into periods: what a discrete-time model of divergence counts.

A trial that was under observation for t steps went through every period that began before t; in the last one it
diverged, or it was censored there. One row per trial and period turns survival into "k of n diverged here", with the
period as one more coordinate (P. Allison, *Discrete-time methods for the analysis of event histories*, 1982).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome
from stability_sweep.typing import Array, Mask

PERIODS = 8
"""Of equal length in logarithms: most settings that diverge do so early."""

BEFORE_FIRST = 0.5
"""Where the first period begins, in steps: its logarithm is finite, and step 1 lies inside."""


@dataclass(frozen=True)
class Periods:
    """Periods that follow each other, from step 1 on."""

    ends: tuple[int, ...]
    """The last step of every period, ascending; the last one is the longest horizon that was trained."""

    @classmethod
    def until(cls, longest: int) -> Periods:
        """Of a study whose longest horizon has so many steps, at least 1."""
        ends = np.ceil(longest ** (np.arange(1, PERIODS + 1) / PERIODS) - 1e-9).astype(int)
        return cls(tuple(int(end) for end in np.unique(ends)))

    @property
    def longest(self) -> int:
        """Steps until the end of the last period."""
        return self.ends[-1]

    @property
    def coordinates(self) -> Array:
        """Where each period lies on a logarithmic axis whose 1 is the longest horizon, (periods,)."""
        return self.coordinates_of(np.array(self.ends, dtype=np.float64))

    def coordinates_of(self, steps: Array) -> Array:
        """The same axis at any steps, (points,)."""
        return np.asarray(np.log(steps) / np.log(self.longest) if self.longest > 1 else np.ones(len(steps)))

    def beyond(self, steps: int) -> Periods:
        """As many more periods of the same length as reach so many steps."""
        ends, growth = list(self.ends), max(self.longest ** (1 / PERIODS), 1.5)
        while ends[-1] < steps:
            ends.append(min(int(np.ceil(ends[-1] * growth)), steps))
        return Periods(tuple(ends))

    def passed(self, steps: Array) -> Array:
        """The share of every period that lies within so many steps, in logarithms: (points, periods)."""
        starts = np.log(np.array([BEFORE_FIRST, *self.ends[:-1]]))
        ends = np.log(np.array(self.ends, dtype=np.float64))
        share = (np.log(np.maximum(steps, BEFORE_FIRST))[:, None] - starts) / (ends - starts)
        return np.asarray(np.clip(share, 0.0, 1.0))


@dataclass(frozen=True)
class Lives:
    """How long trials were under observation, and whether they ended by divergence."""

    steps: Array
    """(trials,), at least 1."""
    diverged: Mask
    """(trials,)."""

    @classmethod
    def of(cls, trials: pd.DataFrame) -> Lives:
        """Of the trials that count; where nobody wrote down any steps, every life has one."""
        diverged = (trials[columns.OUTCOME] == Outcome.DIVERGED.value).to_numpy()
        if columns.STEPS not in trials or columns.DIVERGENCE_STEP not in trials:
            return cls(np.ones(len(trials)), diverged)
        lived = trials[columns.DIVERGENCE_STEP].where(diverged, trials[columns.STEPS])
        return cls(np.maximum(lived.astype("Float64").fillna(1.0).to_numpy(np.float64), 1.0), diverged)

    def rows(self, points: Array, periods: Periods) -> tuple[Array, Array]:
        """One row per trial and period that it began.

        A period in which a trial was censored counts by the share that it lived of it.

        Args:
            points: of the trials, (trials, coordinates).
            periods: of the study.

        Returns:
            Points with the period as the last coordinate, (rows, coordinates + 1); and "diverged" and "trials" of every
            row, (rows, 2).
        """
        shares = periods.passed(self.steps)
        last = np.argmax(np.array(periods.ends) >= self.steps[:, None], axis=1)
        is_event = self.diverged[:, None] & (np.arange(len(periods.ends)) == last[:, None])
        counts = np.where(is_event, 1.0, shares)
        trial, period = np.nonzero(counts > 0)
        where = np.column_stack([points[trial], periods.coordinates[period]])
        return where, np.column_stack([is_event[trial, period].astype(np.float64), counts[trial, period]])
