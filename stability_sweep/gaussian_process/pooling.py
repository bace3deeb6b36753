"""From any number of trials to few enough cells: repeats are merged, and neighbours pooled where it matters least."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stability_sweep.gaussian_process.binomial import BinomialProcess
from stability_sweep.typing import Array, Mask

MOST_CELLS = 800
"""A quarter of them is spent where the outcome is all but certain."""

CERTAIN_LATENT = 4.0
"""A trial is all but certain where P(diverge) is surely (two deviations) below 2% or above 98%."""

CHUNK = 4000
"""Trials that the pilot looks at at once, so that memory stays small."""

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Cells:
    """What the trials at neighbouring points say together."""

    points: Array
    """(cells, coordinates)."""
    sums: Array
    """Of whatever the likelihood counts, (cells, counts)."""
    trials: Array
    """(cells,); at least 1."""
    spread: float = 0.0
    """Root mean square distance of a trial from its cell (coordinates run from 0 to 1): the error of pooling."""

    @classmethod
    def merged(cls, points: Array, counts: Array) -> Cells:
        """One cell per distinct point, after (trials, coordinates) and (trials, counts)."""
        distinct, group = np.unique(points.round(9), axis=0, return_inverse=True)
        return cls.grouped(points, counts, group.ravel(), len(distinct))

    @classmethod
    def grouped(cls, points: Array, counts: Array, group: Indices, number: int) -> Cells:
        """One cell per group, at the mean of its trials' points.

        Args:
            points: of the trials, (trials, coordinates).
            counts: what the likelihood counts of each, (trials, counts).
            group: every trial's group, from 0, (trials,).
            number: of groups; those without trials are left out.
        """
        trials = np.bincount(group, minlength=number).astype(np.float64)
        kept = trials > 0
        means = _sums(points, group, number) / np.maximum(trials, 1.0)[:, None]
        distances = ((points - means[group]) ** 2).mean(axis=1)
        spread = float(np.sqrt(distances.mean()))
        return cls(means[kept], _sums(counts, group, number)[kept], trials[kept], spread)


def _sums(columns: Array, group: Indices, number: int) -> Array:
    return np.column_stack([np.bincount(group, column, number) for column in columns.T])


def cells_of(
    points: Array,
    counts: Array,
    fit: Callable[[Cells], BinomialProcess],
    lengths: Array,
    *,
    seed: int,
    most: int = MOST_CELLS,
) -> Cells:
    """One cell per distinct point, or, where those are too many, pools of neighbours.

    A pilot fit on a choice of the trials tells where the outcome is all but certain; there, large pools lose nothing.
    Elsewhere the pools are small. Every coordinate is measured in the model's own length.

    Args:
        points: of the trials, (trials, coordinates).
        counts: what the likelihood counts of each trial, (trials, counts).
        fit: from cells to the process that the pilot is.
        lengths: of the kernel, (coordinates,).
        seed: of the choice of trials for the pilot.
        most: the most cells.
    """
    cells = Cells.merged(points, counts)
    if len(cells.trials) <= most:
        return cells
    generator = np.random.default_rng(seed)
    chosen = generator.choice(len(points), most, replace=False)
    pilot = fit(Cells.merged(points[chosen], counts[chosen]))
    certain = np.concatenate(
        [_is_certain(pilot, points[start : start + CHUNK]) for start in range(0, len(points), CHUNK)]
    )
    group = np.zeros(len(points), dtype=np.intp)
    first = 0
    for part, budget in ((certain, most // 4), (~certain, most - most // 4)):
        if part.any():
            pools = _neighbours(points[part] / lengths, budget)
            group[part] = first + pools
            first += int(pools.max()) + 1
    return Cells.grouped(points, counts, group, first)


def _is_certain(pilot: BinomialProcess, points: Array) -> Mask:
    mean, variance = pilot.latent(points)
    return np.asarray(np.abs(mean) - 2 * np.sqrt(variance) > CERTAIN_LATENT)


def _neighbours(points: Array, count: int) -> Indices:
    """At most `count` groups of neighbours: the most spread one is halved at its mean, again and again."""
    group = np.zeros(len(points), dtype=np.intp)
    largest = [_spread(points, np.arange(len(points)), 0)]
    for new in range(1, count):
        cost, _, old, members, widest = heapq.heappop(largest)
        if cost == 0:  # each group that is left is one point
            break
        values = points[members, widest]
        upper = values > values.mean()
        group[members[upper]] = new
        for number, half in ((old, members[~upper]), (new, members[upper])):
            heapq.heappush(largest, _spread(points, half, number))
    return group


def _spread(points: Array, members: Indices, number: int) -> tuple[float, int, int, Indices, int]:
    """A heap's entry: minus the squared deviation along the widest coordinate, and that coordinate."""
    deviation = ((points[members] - points[members].mean(axis=0)) ** 2).sum(axis=0)
    widest = int(deviation.argmax())
    # The number comes second, so that of two groups as wide the older one is halved first, and no array is compared.
    return -float(deviation[widest]), number, number, members, widest
