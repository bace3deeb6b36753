"""How often trials diverged, where: counted, never interpolated."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stability_sweep.analysis.proportion import Proportion
from stability_sweep.results.outcome import Outcome
from stability_sweep.sources.frame import counted
from stability_sweep.space.axes import Axis


def divergence_cells(frame: pd.DataFrame, x: Axis, y: Axis) -> pd.DataFrame:
    """The stability map of two dimensions: one row per cell, cells without trials included.

    Failed trials are not counted. The order of the trials does not matter.

    Returns:
        Columns ``x_band``, ``y_band`` (indices), ``x``, ``y`` (labels), ``diverged``, ``total``, ``fraction`` (NaN in
        an empty cell), ``low``, ``high`` (Wilson's 95% interval; 0 and 1 in an empty cell).
    """
    trials = counted(frame)
    diverged = (trials["outcome"] == Outcome.DIVERGED.value).to_numpy()
    cell = y.bands(trials[y.name].tolist()) * len(x.labels) + x.bands(trials[x.name].tolist())
    totals, events = (
        np.bincount(cell[part], minlength=len(x.labels) * len(y.labels)) for part in (slice(None), diverged)
    )
    return pd.DataFrame(
        [
            {
                "x_band": index % len(x.labels),
                "y_band": index // len(x.labels),
                "x": x.labels[index % len(x.labels)],
                "y": y.labels[index // len(x.labels)],
                **_columns(Proportion(int(count), int(total))),
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
            {"band": band, "label": label, **_columns(Proportion.diverged(trials[bands == band]))}
            for band, label in enumerate(axis.labels)
        ]
    )


def _columns(share: Proportion) -> dict[str, float | int]:
    low, high = share.interval
    return {
        "diverged": share.count,
        "total": share.total,
        "fraction": share.value,
        "low": low,
        "high": high,
    }
