"""Where along the learning rate no trial has looked, at each batch size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stability_sweep.analysis.lines import MOST_BATCHES, representatives
from stability_sweep.sources.frame import counted
from stability_sweep.space.axes import format_value
from stability_sweep.space.dimensions import Choices, Value
from stability_sweep.space.roles import BATCH_SIZE, LEARNING_RATE
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array, Mask

REACH = 0.2
"""A trial is seen from batch sizes so far away, in shares of the axis: bands of batch sizes overlap."""


@dataclass(frozen=True)
class UnseenStretch:
    """A stretch of the learning rate without a trial."""

    low: float
    high: float
    """Learning rates: those of its neighbours, or the ends of the range."""
    batch_size: Value | None
    """Of the band; None in a study without a batch size."""

    @property
    def decades(self) -> float:
        """How wide it is."""
        return float(np.log10(self.high / self.low))

    def __str__(self) -> str:
        """``no trial between 1e-5 and 3e-4 near batch size 128: 1.5 decades``."""
        near = "" if self.batch_size is None else f" near batch size {format_value(self.batch_size)}"
        return f"no trial between {self.low:.2g} and {self.high:.2g}{near}: {self.decades:.2g} decades"


def batch_bands(frame: pd.DataFrame, space: SearchSpace) -> Iterator[tuple[Value | None, Mask]]:
    """For every batch size that stands for some, which trials are near it: a neighbouring choice, a fifth of a range.

    Args:
        frame: a study's trials.
        space: its search space.
    """
    name = space.role(BATCH_SIZE)
    if name is None or name not in space.searched:
        yield None, np.ones(len(frame), dtype=bool)
        return
    axis, dimension = space.axes[name], space[name]
    at = np.array([axis.position(value) for value in frame[name].tolist()])
    low, high = axis.edges[0], axis.edges[-1]
    # Choices lie side by side, each one position wide: the neighbour on either side is near.
    reach = 1.01 if isinstance(dimension, Choices) else REACH * (high - low)
    for _, value in representatives(space, name, MOST_BATCHES):
        middle = axis.position(value)
        if not isinstance(dimension, Choices):  # a band as wide as the others at the ends, too
            middle = min(max(middle, low + reach), high - reach)
        yield value, np.abs(at - middle) <= reach


def widest_unseen(frame: pd.DataFrame, space: SearchSpace) -> UnseenStretch:
    """The widest stretch without a trial at any batch size.

    Args:
        frame: a study's trials; failed ones have seen nothing.
        space: its search space; the learning rate is a logarithmic range.
    """
    trials = counted(frame)
    name = space.role(LEARNING_RATE)
    assert name is not None
    axis = space.axes[name]
    ends = 10.0 ** np.array([axis.edges[0], axis.edges[-1]])
    rates = trials[name].to_numpy(np.float64)
    found = []
    for batch, is_near in batch_bands(trials, space):
        seen = np.sort(np.concatenate([ends, rates[is_near].clip(*ends)]))
        widest = int(np.argmax(np.diff(np.log10(seen))))
        found.append(UnseenStretch(float(seen[widest]), float(seen[widest + 1]), batch))
    return max(found, key=lambda stretch: stretch.decades)


def gaps_filled(frame: pd.DataFrame, space: SearchSpace) -> Array:
    """How far every trial was from the nearest earlier one near its batch size, in decades of the rate, (trials,).

    The first one is infinitely far. In the order of the trials' numbers.

    Args:
        frame: the trials that count, ordered by number.
        space: its search space.
    """
    name = space.role(LEARNING_RATE)
    assert name is not None
    rates = np.log10(frame[name].to_numpy(np.float64))
    distance = np.full(len(frame), np.inf)
    bands = np.array([is_near for _, is_near in batch_bands(frame, space)])
    for index in range(1, len(frame)):
        # Of the bands that this trial is in, the one in which it was loneliest.
        for band in bands[bands[:, index]]:
            earlier = rates[:index][band[:index]]
            lonely = np.abs(earlier - rates[index]).min() if len(earlier) else np.inf
            distance[index] = lonely if np.isinf(distance[index]) else max(distance[index], lonely)
    return distance
