"""How often trials diverged, where: counted, never interpolated."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stability_sweep.analysis.proportion import Proportion
from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome
from stability_sweep.sources.frame import counted
from stability_sweep.space.axes import Axis


def divergence_cells(frame: pd.DataFrame, x: Axis, y: Axis) -> pd.DataFrame:
    """The stability map of two dimensions: one row per cell, cells without trials included.

    Failed trials are not counted. The order of the trials does not matter.

    Args:
        frame: a study's trials, from `study_frame`.
        x: the axis of one dimension; its bands are the map's columns.
        y: of another one, for the rows.

    Returns:
        Columns ``x_band``, ``y_band`` (indices), ``x``, ``y`` (labels), ``diverged``, ``total``, ``fraction`` (NaN in
        an empty cell), ``low``, ``high`` (Wilson's 95% interval; 0 and 1 in an empty cell).
    """
    trials = counted(frame)
    diverged = (trials[columns.OUTCOME] == Outcome.DIVERGED.value).to_numpy()
    # Every trial's cell as one number, row by row: two counts over all trials instead of one per cell.
    cell = y.bands(trials[y.name].tolist()) * len(x.labels) + x.bands(trials[x.name].tolist())
    totals, events = (
        np.bincount(cell[part], minlength=len(x.labels) * len(y.labels)) for part in (slice(None), diverged)
    )
    return pd.DataFrame(
        [
            {
                columns.X_BAND: index % len(x.labels),
                columns.Y_BAND: index // len(x.labels),
                columns.X: x.labels[index % len(x.labels)],
                columns.Y: y.labels[index // len(x.labels)],
                **_counts(Proportion(int(count), int(total))),
            }
            for index, (count, total) in enumerate(zip(events, totals, strict=True))
        ]
    )


def divergence_by_band(frame: pd.DataFrame, axis: Axis) -> pd.DataFrame:
    """How often trials diverged in every band of one dimension; columns as in `divergence_cells`, without y."""
    trials = counted(frame)
    bands = pd.Series(axis.bands(trials[axis.name].tolist()), index=trials.index)
    return pd.DataFrame(
        [
            {columns.BAND: band, columns.LABEL: label, **_counts(Proportion.diverged(trials[bands == band]))}
            for band, label in enumerate(axis.labels)
        ]
    )


def _counts(share: Proportion) -> dict[str, float | int]:
    low, high = share.interval
    return {
        columns.DIVERGED: share.count,
        columns.TOTAL: share.total,
        columns.FRACTION: share.value,
        columns.LOW: low,
        columns.HIGH: high,
    }
