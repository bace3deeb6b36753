"""From any number of trials to few enough cells: repeats are merged, and neighbours pooled where it matters least."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stability_sweep.analysis.binomial import BinomialProcess

Array = npt.NDArray[np.float64]

MOST_UNPOOLED = 800
MOST_CELLS = 800
CERTAIN_CELLS = 200
"""Of these, how many are spent where the outcome is all but certain."""

CERTAIN_LATENT = 4.0
"""A trial is all but certain where P(diverge) is surely (two deviations) below 2% or above 98%."""

CHUNK = 4000


@dataclass(frozen=True)
class Cells:
    """Counts at places."""

    places: Array
    """(cells, coordinates)."""
    diverged: Array
    """(cells,)."""
    total: Array
    """(cells,); at least 1."""
    spread: float = 0.0
    """Root mean square distance of a trial from its cell's place, in shares of an axis: the error of pooling."""

    @classmethod
    def merged(cls, places: Array, diverged: Array) -> Cells:
        """One cell per distinct place, after (trials, coordinates) and (trials,)."""
        distinct, group = np.unique(places.round(9), axis=0, return_inverse=True)
        return cls.grouped(places, diverged, group.ravel(), len(distinct))

    @classmethod
    def grouped(cls, places: Array, diverged: Array, group: npt.NDArray[np.intp], count: int) -> Cells:
        """One cell per group, at the mean of its trials' places."""
        total = np.bincount(group, minlength=count).astype(np.float64)
        kept = total > 0
        sums = np.column_stack([np.bincount(group, column, count) for column in places.T])
        means = sums / np.maximum(total, 1.0)[:, None]
        distances = ((places - means[group]) ** 2).mean(axis=1)
        events = np.asarray(np.bincount(group, diverged, count), dtype=np.float64)
        return cls(means[kept], events[kept], total[kept], float(np.sqrt(distances.mean())))


def cells_of(
    places: Array, diverged: Array, fit: Callable[[Cells], BinomialProcess], lengths: Array, *, seed: int
) -> Cells:
    """One cell per distinct place, or, where those are more than 800, as many pools of neighbours.

    A pilot fit on 800 trials tells where the outcome is all but certain; there, large pools lose nothing. Elsewhere
    the pools are small. Every coordinate is measured in the model's own length.
    """
    cells = Cells.merged(places, diverged)
    if len(cells.total) <= MOST_UNPOOLED:
        return cells
    generator = np.random.default_rng(seed)
    chosen = generator.choice(len(places), MOST_CELLS, replace=False)
    pilot = fit(Cells.merged(places[chosen], diverged[chosen]))
    certain = np.concatenate(
        [_is_certain(pilot, places[start : start + CHUNK]) for start in range(0, len(places), CHUNK)]
    )
    group = np.zeros(len(places), dtype=np.intp)
    first = 0
    for part, budget in ((certain, CERTAIN_CELLS), (~certain, MOST_CELLS - CERTAIN_CELLS)):
        if part.any():
            pools = _neighbours(places[part] / lengths, budget)
            group[part] = first + pools
            first += int(pools.max()) + 1
    return Cells.grouped(places, diverged, group, first)


def _is_certain(pilot: BinomialProcess, places: Array) -> npt.NDArray[np.bool_]:
    mean, variance = pilot.latent(places)
    return np.asarray(np.abs(mean) - 2 * np.sqrt(variance) > CERTAIN_LATENT)


def _neighbours(places: Array, count: int) -> npt.NDArray[np.intp]:
    """At most `count` groups of neighbours: the most spread one is halved at its mean, again and again."""
    group = np.zeros(len(places), dtype=np.intp)
    largest = [_spread(places, np.arange(len(places)), 0)]
    for new in range(1, count):
        cost, _, old, members, axis = heapq.heappop(largest)
        if cost == 0:  # what is left lies in one place
            break
        values = places[members, axis]
        upper = values > values.mean()
        group[members[upper]] = new
        for number, half in ((old, members[~upper]), (new, members[upper])):
            heapq.heappush(largest, _spread(places, half, number))
    return group


def _spread(
    places: Array, members: npt.NDArray[np.intp], number: int
) -> tuple[float, int, int, npt.NDArray[np.intp], int]:
    """A heap's entry: minus the squared deviation along the widest coordinate, and that coordinate."""
    deviation = ((places[members] - places[members].mean(axis=0)) ** 2).sum(axis=0)
    axis = int(deviation.argmax())
    return -float(deviation[axis]), number, number, members, axis
