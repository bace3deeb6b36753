"""Loss spikes: explosions that may come back, found in the losses of a whole run or while it goes on."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from stability_sweep.typing import Array

SPIKE_SHARE = 0.5
"""A spike also rises by at least this share of |median|, so that a very quiet run has no spikes of noise."""

MAD_TO_SIGMA = 1.4826
"""A normal distribution's standard deviation over its median absolute deviation."""


@dataclass(frozen=True)
class SpikeRule:
    """Where a spike begins: above ``m + max(k σ, 0.5 |m|)``.

    m is the median of the losses before it and σ 1.4826 times their median absolute deviation (Hampel's identifier,
    J. Am. Stat. Assoc. 69, 1974, with a wide threshold).
    """

    window_steps: int = 25
    """A loss is compared with so many losses before it."""
    sigmas: float = 8.0
    """k."""

    def levels(self, before: Array) -> tuple[Array, Array]:
        """Median and level, (n,) each, of the losses before n steps, (n, window_steps)."""
        median = np.median(before, axis=1)
        deviation = np.median(np.abs(before - median[:, None]), axis=1)
        rise = np.maximum(self.sigmas * MAD_TO_SIGMA * deviation, SPIKE_SHARE * np.abs(median))
        return median, median + rise


@dataclass(frozen=True)
class Spikes:
    """Explosions that came back."""

    count: int
    height: float | None
    """How far the highest rose above the median before it; None without one."""


def find_spikes(losses: Array) -> Spikes:
    """Count the loss spikes of a run.

    A spike begins as `SpikeRule` says with its defaults, and ends where the loss is back under that level. One that
    lasts to the end of the run did not come back and does not count.

    Args:
        losses: (steps,), of all steps; what is not finite ends a spike that never came back.
    """
    rule = SpikeRule()
    if len(losses) <= rule.window_steps:
        return Spikes(0, None)
    median, levels = rule.levels(np.lib.stride_tricks.sliding_window_view(losses, rule.window_steps)[:-1])
    later = losses[rule.window_steps :]
    heights = []
    step = 0
    while step < len(later):
        if not later[step] > levels[step]:
            step += 1
            continue
        back = np.flatnonzero(later[step:] <= levels[step])
        if not len(back):
            break
        end = step + int(back[0])
        heights.append(float(later[step:end].max() - median[step]))
        step = end
    return Spikes(len(heights), max(heights) if heights else None)


class SpikeWatch:
    """Sees spikes begin while a run goes on; those that come back begin in the steps where `find_spikes` sees them."""

    def __init__(self, rule: SpikeRule) -> None:
        self._rule = rule
        self.forget()

    def forget(self) -> None:
        """Begin anew: what was seen so far says nothing about the losses to come."""
        self._before: deque[float] = deque(maxlen=self._rule.window_steps)
        self._ends_at: float | None = None  # the level of a spike that goes on

    def begins(self, loss: float) -> bool:
        """Take the loss of a further step, finite; whether a spike begins with it."""
        is_still_up = self._ends_at is not None and loss > self._ends_at
        is_new = False
        if not is_still_up:
            self._ends_at = None
            if len(self._before) == self._rule.window_steps:
                level = float(self._rule.levels(np.array([self._before]))[1][0])
                is_new = loss > level
                self._ends_at = level if is_new else None
        self._before.append(loss)
        return is_new
