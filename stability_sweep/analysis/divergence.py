"""How often trials diverged, where: counted, never interpolated."""

from __future__ import annotations

import pandas as pd

from stability_sweep.analysis.axes import Axis
from stability_sweep.analysis.frame import counted
from stability_sweep.analysis.proportion import Proportion


def divergence_cells(frame: pd.DataFrame, x: Axis, y: Axis) -> pd.DataFrame:
    """The stability map of two dimensions: one row per cell, cells without trials included.

    Failed trials are not counted. The order of the trials does not matter.

    Returns:
        Columns ``x_band``, ``y_band`` (indices), ``x``, ``y`` (labels), ``diverged``, ``total``, ``fraction`` (NaN in
        an empty cell), ``low``, ``high`` (Wilson's 95% interval; 0 and 1 in an empty cell).
    """
    trials = counted(frame)
    places = pd.DataFrame(
        {
            "x_band": [x.band(value) for value in trials[x.name]],
            "y_band": [y.band(value) for value in trials[y.name]],
            "outcome": trials["outcome"].to_numpy(),
        }
    )
    groups = dict(list(places.groupby(["x_band", "y_band"])))
    rows = []
    for y_band, y_label in enumerate(y.labels):
        for x_band, x_label in enumerate(x.labels):
            share = Proportion.diverged(groups.get((x_band, y_band), places.iloc[:0]))
            rows.append({"x_band": x_band, "y_band": y_band, "x": x_label, "y": y_label, **_columns(share)})
    return pd.DataFrame(rows)


def divergence_by_band(frame: pd.DataFrame, axis: Axis) -> pd.DataFrame:
    """How often trials diverged in every band of one dimension; columns as in `divergence_cells`, without y."""
    trials = counted(frame)
    bands = pd.Series([axis.band(value) for value in trials[axis.name]], index=trials.index, dtype="int64")
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
