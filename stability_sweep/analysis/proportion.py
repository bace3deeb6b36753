"""A share with its uncertainty and its number of trials."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Proportion:
    """`count` of `total`, with Wilson's 95% interval (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927)."""

    count: int
    total: int

    @property
    def value(self) -> float:
        """The share; NaN without trials."""
        return self.count / self.total if self.total else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Bounds of the 95% interval; (0, 1) without trials."""
        if not self.total:
            return 0.0, 1.0
        from scipy.stats import binomtest  # takes longer to import than most commands run

        bounds = binomtest(self.count, self.total).proportion_ci(CONFIDENCE, method="wilson")
        return float(bounds.low), float(bounds.high)

    @classmethod
    def diverged(cls, frame: pd.DataFrame) -> Proportion:
        """The share of diverged trials among the rows of a frame (without failed ones)."""
        return cls(int((frame[columns.OUTCOME] == Outcome.DIVERGED.value).sum()), len(frame))
