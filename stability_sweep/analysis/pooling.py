"""From any number of trials to few enough cells: repeats are merged, and neighbours pooled where it matters least."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stability_sweep.analysis.binomial import BinomialProcess

Array = npt.NDArray[np.float64]

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
    """At most 800 cells: one per distinct place, or, where those are more, pools of neighbours.

    A pilot fit on 800 trials tells where the outcome is all but certain; there, large pools lose nothing. Elsewhere
    the pools are small. Neighbours are found by k-means, every coordinate measured in the model's own length.
    """
    cells = Cells.merged(places, diverged)
    if len(cells.total) <= MOST_CELLS:
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
            count = min(budget, int(part.sum()))
            group[part] = first + _neighbours(places[part] / lengths, count, seed)
            first += count
    return Cells.grouped(places, diverged, group, first)


def _is_certain(pilot: BinomialProcess, places: Array) -> npt.NDArray[np.bool_]:
    mean, variance = pilot.latent(places)
    return np.asarray(np.abs(mean) - 2 * np.sqrt(variance) > CERTAIN_LATENT)


def _neighbours(places: Array, count: int, seed: int) -> npt.NDArray[np.intp]:
    from sklearn.cluster import MiniBatchKMeans

    means = MiniBatchKMeans(count, random_state=seed, n_init=1, batch_size=4096, init="random", max_iter=20)
    return np.asarray(means.fit_predict(places), dtype=np.intp)
