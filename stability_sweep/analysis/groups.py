"""Trials under observation, in a few groups along an axis: what survival analysis compares.

A diverged trial is an event at its divergence step. Every other trial is *censored* at the steps that it ran: all we
know is that it would have diverged later, if at all. Failed trials are left out. Steps count from 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome
from stability_sweep.sources.frame import counted
from stability_sweep.space.axes import Axis
from stability_sweep.space.dimensions import Value
from stability_sweep.space.off import OFF
from stability_sweep.typing import Integers

MOST_GROUPS = 5
"""More curves than these cannot be told apart in one figure."""


def with_times(frame: pd.DataFrame) -> pd.DataFrame:
    """The trials that survival analysis can use, in the order of their numbers, with two columns more.

    Returns:
        The frame without failed trials and without those that began no step; ``time`` (steps under observation, at
        least 1) and ``event`` (whether the trial diverged in the last of them).
    """
    trials = counted(frame)
    event = trials[columns.OUTCOME] == Outcome.DIVERGED.value
    times = trials[columns.DIVERGENCE_STEP].where(event, trials[columns.STEPS])
    trials = trials.assign(**{columns.TIME: times, columns.EVENT: event})[times.fillna(0) >= 1]
    return trials.astype({columns.TIME: "int64", columns.EVENT: "bool"}).sort_values(columns.NUMBER)


@dataclass(frozen=True)
class BandGroups:
    """An axis cut into a few groups of neighbouring bands."""

    axis: Axis
    labels: tuple[str, ...]
    """What each group holds, in words."""
    of_band: tuple[int, ...]
    """The group of every band of the axis."""

    @classmethod
    def of_axis(cls, axis: Axis) -> BandGroups:
        """At most `MOST_GROUPS` groups, about equally many bands in each; "off" is never merged."""
        bands = range(len(axis.labels))
        off = [band for band in bands if axis.labels[band] == OFF]
        others = [band for band in bands if band not in off]
        if len(axis.labels) <= MOST_GROUPS:
            runs = [[band] for band in bands]
        else:
            parts = np.array_split(np.array(others), MOST_GROUPS - len(off))
            runs = [*(part.tolist() for part in parts), *([band] for band in off)]
        group_of = {band: group for group, run in enumerate(runs) for band in run}
        return cls(axis, tuple(_label(axis, run) for run in runs), tuple(group_of[band] for band in bands))

    def of_values(self, values: Iterable[Value]) -> Integers:
        """The group of every value."""
        return np.array(self.of_band, dtype=np.int64)[self.axis.bands(values)]


def _label(axis: Axis, run: Sequence[int]) -> str:
    """What a run of neighbouring bands holds: from the first one's low end to the last one's high end."""
    texts = [axis.labels[band] for band in run]
    if len(texts) == 1:
        return texts[0]
    if axis.values and not all(isinstance(axis.values[band], (int, float)) for band in run):
        return ", ".join(texts)
    return f"{texts[0].split(' to ')[0]} to {texts[-1].split(' to ')[-1]}"


def grouped(frame: pd.DataFrame, axis: Axis) -> Iterator[tuple[int, str, pd.DataFrame]]:
    """Index, label and trials of every group that has trials."""
    trials, groups = with_times(frame), BandGroups.of_axis(axis)
    group_of = groups.of_values(trials[axis.name].tolist())
    for group, label in enumerate(groups.labels):
        inside = group_of == group
        if inside.any():
            yield group, label, trials[inside]
