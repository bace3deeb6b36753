"""From any number of trials to few enough cells: repeats are merged, and neighbours pooled where it matters least."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stability_sweep.gaussian_process.binomial import BinomialProcess
from stability_sweep.typing import Array

MOST_CELLS = 800
"""A quarter of them is spent where the outcome is all but certain."""

CERTAIN_LATENT = 4.0
"""A trial is all but certain where P(diverge) is surely (two deviations) below 2% or above 98%."""

CHUNK = 4000


@dataclass(frozen=True)
class Cells:
    """What the trials at neighbouring places say together."""

    places: Array
    """(cells, coordinates)."""
    sums: Array
    """Of whatever the likelihood counts, (cells, counts)."""
    trials: Array
    """(cells,); at least 1."""
    spread: float = 0.0
    """Root mean square distance of a trial from its cell's place, in shares of an axis: the error of pooling."""

    @classmethod
    def merged(cls, places: Array, counts: Array) -> Cells:
        """One cell per distinct place, after (trials, coordinates) and (trials, counts)."""
        distinct, group = np.unique(places.round(9), axis=0, return_inverse=True)
        return cls.grouped(places, counts, group.ravel(), len(distinct))

    @classmethod
    def grouped(cls, places: Array, counts: Array, group: npt.NDArray[np.intp], number: int) -> Cells:
        """One cell per group, at the mean of its trials' places."""
        trials = np.bincount(group, minlength=number).astype(np.float64)
        kept = trials > 0
        means = _sums(places, group, number) / np.maximum(trials, 1.0)[:, None]
        distances = ((places - means[group]) ** 2).mean(axis=1)
        spread = float(np.sqrt(distances.mean()))
        return cls(means[kept], _sums(counts, group, number)[kept], trials[kept], spread)


def _sums(columns: Array, group: npt.NDArray[np.intp], number: int) -> Array:
    return np.column_stack([np.bincount(group, column, number) for column in columns.T])


def cells_of(
    places: Array,
    counts: Array,
    fit: Callable[[Cells], BinomialProcess],
    lengths: Array,
    *,
    seed: int,
    most: int = MOST_CELLS,
) -> Cells:
    """One cell per distinct place, or, where those are too many, pools of neighbours.

    A pilot fit on a choice of the trials tells where the outcome is all but certain; there, large pools lose nothing.
    Elsewhere the pools are small. Every coordinate is measured in the model's own length.
    """
    cells = Cells.merged(places, counts)
    if len(cells.trials) <= most:
        return cells
    generator = np.random.default_rng(seed)
    chosen = generator.choice(len(places), most, replace=False)
    pilot = fit(Cells.merged(places[chosen], counts[chosen]))
    certain = np.concatenate(
        [_is_certain(pilot, places[start : start + CHUNK]) for start in range(0, len(places), CHUNK)]
    )
    group = np.zeros(len(places), dtype=np.intp)
    first = 0
    for part, budget in ((certain, most // 4), (~certain, most - most // 4)):
        if part.any():
            pools = _neighbours(places[part] / lengths, budget)
            group[part] = first + pools
            first += int(pools.max()) + 1
    return Cells.grouped(places, counts, group, first)


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
