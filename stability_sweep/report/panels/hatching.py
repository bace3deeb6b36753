"""Slanted lines over a part of a map: the color below stays readable, in light, in dark and on paper."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go

from stability_sweep.analysis import PairMap
from stability_sweep.report.theme import CARD, INK, LINE
from stability_sweep.space.axes import Axis
from stability_sweep.typing import Array

LINES = 76
"""Over a whole map."""

POINTS = 120
"""Along a line, at which is decided whether it is drawn."""

WIDTH = 0.8

Slant = Literal["/", "\\"]


def hatched(model: PairMap, field: Array, slant: Slant) -> go.Scatter:
    """Lines wherever a field is above 0, between the nodes of the grid as the 50% line runs between them.

    Args:
        model: the map.
        field: over its grid, (y, x); not drawn where it is NaN.
        slant: which way the lines lean.
    """
    along = np.linspace(0.0, 1.0, POINTS)
    starts = np.linspace(-1.0, 1.0, LINES + 2)[1:-1]
    left = starts[:, None] + along  # places in the unit square, line by line
    up = np.broadcast_to(along if slant == "/" else 1.0 - along, left.shape)
    x, y = _places(model.x, left), _places(model.y, up)
    found = _interpolated(model, field, x, y)
    is_drawn = (left >= 0) & (left <= 1) & (found > 0)
    lines_x: list[float | None] = []
    lines_y: list[float | None] = []
    for row, column_from, column_to in _runs(is_drawn):
        lines_x += [*x[row, [column_from, column_to]].round(3).tolist(), None]
        lines_y += [*y[row, [column_from, column_to]].round(3).tolist(), None]
    line = {"color": LINE, "width": WIDTH}
    return go.Scatter(x=lines_x, y=lines_y, mode="lines", line=line, hoverinfo="skip", showlegend=False)


def hatched_entry(name: str, slant: Slant, legend: str) -> go.Scatter:
    """An entry of a legend.

    Args:
        name: what it says.
        slant: which way the lines lean.
        legend: Plotly's name of the legend.
    """
    return go.Scatter(
        x=[None],
        y=[None],
        mode="none",
        fill="toself",
        fillpattern={"shape": slant, "fgcolor": INK, "bgcolor": CARD, "size": 5, "solidity": 0.25},
        name=name,
        legend=legend,
    )


def _places(axis: Axis, shares: Array) -> Array:
    return axis.edges[0] + shares * (axis.edges[-1] - axis.edges[0])


def _interpolated(model: PairMap, field: Array, x: Array, y: Array) -> Array:
    """The field between the nodes of the grid, linear in both directions; outside of them as at the nearest."""
    (left, right, across), (low, high, up) = _between(model.x_positions, x), _between(model.y_positions, y)
    below = field[low, left] * (1 - across) + field[low, right] * across
    above = field[high, left] * (1 - across) + field[high, right] * across
    return np.asarray(below * (1 - up) + above * up)


def _between(nodes: Array, places: Array) -> tuple[Any, Any, Array]:
    """The nodes before and after each place, and how far it is between them."""
    share = np.interp(places, nodes, np.arange(len(nodes), dtype=np.float64))
    before = np.floor(share).astype(int)
    return before, np.minimum(before + 1, len(nodes) - 1), share - before


def _runs(mask: Any) -> list[tuple[int, int, int]]:
    """Row, first and last column of every stretch of trues."""
    padded = np.pad(mask.astype(np.int8), ((0, 0), (1, 1)))
    change = np.diff(padded, axis=1)
    rows, starts = np.nonzero(change == 1)
    _, ends = np.nonzero(change == -1)
    return [(int(row), int(a), int(b) - 1) for row, a, b in zip(rows, starts, ends, strict=True) if b - a > 1]
