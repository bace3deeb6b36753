"""A check of the model before a study stops: did the trials that filled gaps come out as it would have forecast?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stability_sweep.analysis.surface import Surface, without
from stability_sweep.analysis.unseen import gaps_filled
from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome
from stability_sweep.sources.frame import counted
from stability_sweep.space.search_space import SearchSpace

GAP_DECADES = 0.2
"""A trial fills a gap if no earlier one near its batch size was nearer than this."""

FEWEST, MOST = 8, 16
"""Trials that are checked: the newest ones that filled gaps."""

SURPRISE = 1.645
"""Deviations above its expectation that the score may lie: one in twenty sound models fails."""

SLACK = 0.5
"""Nats that are always allowed: where every forecast is certain, the deviation is nothing."""


@dataclass(frozen=True)
class ForecastCheck:
    """The logarithmic score of forecasts, beside what it should be if they are right."""

    trials: int
    """How many were forecast."""
    score: float
    """Sum of -log P(what happened); NaN with too few trials."""
    expected: float
    """Its expectation under the forecasts."""
    deviation: float
    """Its standard deviation under the forecasts."""

    @property
    def passed(self) -> bool:
        """Whether there were enough trials, and they were no greater surprise than they may be."""
        return self.trials >= FEWEST and self.score <= self.expected + SURPRISE * self.deviation + SLACK

    def __str__(self) -> str:
        """Why it did not pass, or that it did."""
        if self.trials < FEWEST:
            return f"{self.trials} trials have filled gaps; the map is checked by {FEWEST}"
        figures = f"log score {self.score:.2g}, expected {self.expected:.2g} with a deviation of {self.deviation:.2g}"
        verdict = "came out as forecast" if self.passed else "did not come out as the map forecast"
        return f"the {self.trials} newest trials that filled gaps {verdict} ({figures})"


def check_forecast(frame: pd.DataFrame, surface: Surface, space: SearchSpace, *, seed: int = 0) -> ForecastCheck:
    """Leave out the newest trials that filled gaps, and let the others forecast them.

    The logarithmic score is proper: nobody scores better than by saying what he believes.

    Args:
        frame: a study's trials; failed ones are left out.
        surface: of all of them; its kernel is used.
        space: its search space.
        seed: of the choice of trials where there are too many.
    """
    trials = counted(frame).sort_values(columns.NUMBER)
    filling = np.flatnonzero(gaps_filled(trials, space) >= GAP_DECADES)[1:][-MOST:]
    if len(filling) < FEWEST:
        return ForecastCheck(len(filling), math.nan, math.nan, math.nan)
    is_checked = np.zeros(len(trials), dtype=bool)
    is_checked[filling] = True
    known = without(surface, trials, is_checked, seed=seed)
    probability = known.predict(trials[is_checked])[columns.PROBABILITY].to_numpy().clip(1e-4, 1 - 1e-4)
    diverged = (trials.loc[is_checked, columns.OUTCOME] == Outcome.DIVERGED.value).to_numpy()
    logit = np.log(probability / (1 - probability))
    entropy = -(probability * np.log(probability) + (1 - probability) * np.log1p(-probability))
    return ForecastCheck(
        len(filling),
        score=float(-np.log(np.where(diverged, probability, 1 - probability)).sum()),
        expected=float(entropy.sum()),
        deviation=float(np.sqrt((probability * (1 - probability) * logit**2).sum())),
    )
