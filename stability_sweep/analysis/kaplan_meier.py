"""The share of trials that have not diverged yet, by step: the product-limit estimate with its band."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from stability_sweep.analysis.proportion import CONFIDENCE
from stability_sweep.results import columns
from stability_sweep.typing import Array, Integers

TAIL = (1 - CONFIDENCE) / 2
"""Probability beyond either end of a band."""


@dataclass(frozen=True)
class KaplanMeier:
    """The product-limit estimate (E. L. Kaplan, P. Meier, J. Am. Stat. Assoc. 53, 1958) of one group of trials.

    Arrays hold one entry per step in which a trial diverged, after a first entry for step 0.
    """

    times: Integers
    """Every trial's time under observation, ascending."""
    steps: Integers
    survival: Array
    low: Array
    high: Array
    events: Integers
    """Events up to and including the step."""

    @classmethod
    def of(cls, trials: pd.DataFrame) -> KaplanMeier:
        """From the rows of `with_times`; at least one."""
        from statsmodels.duration.survfunc import SurvfuncRight  # type: ignore[import-untyped]  # slow to import

        times, event = trials[columns.TIME].to_numpy(), trials[columns.EVENT].to_numpy()
        ordered = np.sort(times)
        if not event.any():
            one = np.ones(1)
            return cls(ordered, np.zeros(1, dtype=np.int64), one, one, one, np.zeros(1, dtype=np.int64))
        # statsmodels has one entry per step with an event, in order; a curve starts before the first.
        found = SurvfuncRight(times, event.astype(np.float64))
        low, high = _limits(found.surv_prob, found.surv_prob_se, int(found.n_risk[-1]))
        return cls(
            ordered,
            np.concatenate([[0], found.surv_times]).astype(np.int64),
            np.concatenate([[1.0], found.surv_prob]),
            np.concatenate([[1.0], low]),
            np.concatenate([[1.0], high]),
            np.concatenate([[0], np.cumsum(found.n_events)]).astype(np.int64),
        )

    @property
    def last_step(self) -> int:
        """The longest time under observation."""
        return int(self.times[-1])

    def at(self, steps: npt.ArrayLike) -> pd.DataFrame:
        """The estimate at steps up to `last_step`, ascending; columns as in `survival_curves`, without the group."""
        wanted = np.asarray(steps, dtype=np.int64)
        # The estimate is a staircase: a step has the value of the last event at or before it ("right" counts an event
        # in the step itself). There always is one, since the first entry is step 0.
        index = np.searchsorted(self.steps, wanted, side="right") - 1
        # At risk just before a step are the trials that were observed in it: "left" counts those that ended earlier.
        at_risk = len(self.times) - np.searchsorted(self.times, wanted, side="left")
        # Where nothing has diverged yet the band has no width; how sure we are follows from the number of trials.
        no_event = (index == 0) & (wanted > 0)
        low = np.where(no_event, TAIL ** (1 / at_risk), self.low[index])
        return pd.DataFrame(
            {
                columns.STEP: wanted,
                columns.SURVIVAL: self.survival[index],
                columns.LOW: low,
                columns.HIGH: self.high[index],
                columns.AT_RISK: at_risk,
                columns.EVENTS: np.diff(self.events[index], prepend=0),
                columns.TOTAL: len(self.times),
            }
        )


def _limits(survival: Array, error: Array, last_at_risk: int) -> tuple[Array, Array]:
    """The pointwise 95% band behind `survival_curves`, at the steps with events; `error` is Greenwood's."""
    from scipy.stats import norm

    inside = survival > 0
    inner = survival[inside]
    spread = np.exp(norm.isf(TAIL) * error[inside] / (inner * -np.log(inner)))
    low, high = np.zeros_like(survival), np.ones_like(survival)
    low[inside], high[inside] = inner**spread, inner ** (1 / spread)
    if not inside[-1]:  # the last trials at risk all diverged: neither logarithm nor error exists
        before = high[-2] if len(high) > 1 else 1.0
        high[-1] = min(before, 1 - TAIL ** (1 / last_at_risk))
    return low, high
