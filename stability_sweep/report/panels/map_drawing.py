"""Stability maps: the model's P(diverge) in slices, the raw counts, and the trials on top.

Every trace says in its `meta` in which mode and slice it is seen; the page's controls switch them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from stability_sweep.analysis import PairMap, divergence_cells
from stability_sweep.report.panels.drawn_trials import drawn, hover, spread
from stability_sweep.report.theme import LEGEND_LINE, LINE, OUTCOME_STYLE, PROBABILITY_DIGITS, SCALE, style
from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome
from stability_sweep.space.axes import Axis
from stability_sweep.typing import Array

CELL_GAP = 2
"""Pixels between the cells of the raw counts."""


def stability_map(trials: pd.DataFrame, x: Axis, y: Axis, model: PairMap | None) -> go.Figure:
    """P(diverge) over two dimensions.

    Args:
        trials: the trials that count.
        x: the horizontal dimension.
        y: the vertical one.
        model: the surface's map; without it only counts are drawn.
    """
    figure = go.Figure()
    shown = drawn(trials)
    if model is not None:
        slices = model.slice_of(shown)
        for index in range(len(model.slices)):
            meta = {"mode": "model", "slice": index}
            for trace in (*model_traces(model, index), _by_outcome(shown[slices == index], x, y)):
                figure.add_trace(trace.update(meta=meta, visible=index == model.first))
    meta = {"mode": "counts"}
    for trace in (_counts_trace(trials, x, y), _by_outcome(shown, x, y)):
        figure.add_trace(trace.update(meta=meta, visible=model is None))
    _add_legend(figure, trials, has_line=model is not None)
    return style(figure, x=x, y=y)


def trials_on_slices(trials: pd.DataFrame, model: PairMap | None) -> list[int]:
    """How many trials are drawn on every slice of a map, each on the one nearest to it; without slices, in all."""
    shown = drawn(trials)
    if model is None:
        return [len(shown)]
    return [int(count) for count in np.bincount(model.slice_of(shown), minlength=len(model.slices))]


def slice_labels(model: PairMap, counts: list[int]) -> list[str]:
    """What the slider says of every slice: its value, and how many trials are drawn on it."""
    return [
        f"{piece.label} ({count} of {sum(counts)} trials)" for piece, count in zip(model.slices, counts, strict=True)
    ]


def model_traces(model: PairMap, index: int) -> list[Any]:
    """One slice of a map: P(diverge), its 50% line with all its crossings, and the ends of the line's band."""
    wanted = (columns.PROBABILITY, columns.MEDIAN, columns.LOW, columns.HIGH)
    probability, median, low, high = (model.grid(name, index) for name in wanted)
    heat = go.Heatmap(
        x=model.x_positions,
        y=model.y_positions,
        z=_rounded(probability),
        customdata=np.dstack([_rounded(low), _rounded(high)]).tolist(),
        hovertemplate="P(diverge) %{z:.0%}<br>90% band %{customdata[0]:.0%} to %{customdata[1]:.0%}<extra></extra>",
        **_color_scale("P(diverge)"),
    )
    return [
        heat,
        _half_line(model, median, "solid", 2.5),
        # Where the band's upper end passes one half, divergence begins to be likely; where the lower does, it is sure.
        _half_line(model, high, "dash", 1.2),
        _half_line(model, low, "dash", 1.2),
    ]


def _color_scale(title: str) -> dict[str, Any]:
    bar = {"title": {"text": title}, "tickformat": ".0%", "thickness": 10, "outlinewidth": 0, "xpad": 4}
    return {"colorscale": SCALE, "zmin": 0, "zmax": 1, "colorbar": bar}


def _half_line(model: PairMap, values: Array, dash: str, width: float) -> go.Contour:
    return go.Contour(
        x=model.x_positions,
        y=model.y_positions,
        z=_rounded(values),
        contours={"start": 0.5, "end": 0.5, "size": 1, "coloring": "none"},
        line={"color": LINE, "width": width, "dash": dash},
        showscale=False,
        hoverinfo="skip",
        showlegend=False,
    )


def _counts_trace(trials: pd.DataFrame, x: Axis, y: Axis) -> go.Heatmap:
    cells = divergence_cells(trials, x, y)
    width = len(x.labels)

    def grid(values: list[Any]) -> list[list[Any]]:
        return [values[row * width : (row + 1) * width] for row in range(len(y.labels))]

    records = cells.to_dict("records")
    shares = [None if math.isnan(share) else round(share, PROBABILITY_DIGITS) for share in cells[columns.FRACTION]]
    return go.Heatmap(
        x=list(x.edges),
        y=list(y.edges),
        z=grid(shares),
        text=grid([_count(cell) for cell in records]),
        texttemplate="%{text}",
        textfont={"size": 10, "color": LINE},
        customdata=grid([_describe_cell(cell) for cell in records]),
        hovertemplate="%{customdata}<extra></extra>",
        hoverongaps=False,
        xgap=CELL_GAP,
        ygap=CELL_GAP,
        **_color_scale("diverged"),
    )


def _count(cell: dict[Any, Any]) -> str:
    return f"{cell[columns.DIVERGED]}/{cell[columns.TOTAL]}" if cell[columns.TOTAL] else ""


def _describe_cell(cell: dict[Any, Any]) -> str:
    place = f"{cell[columns.X]} × {cell[columns.Y]}"
    if not cell[columns.TOTAL]:
        return f"{place}<br>no trials"
    return (
        f"{place}<br>{cell[columns.DIVERGED]} of {cell[columns.TOTAL]} diverged ({cell[columns.FRACTION]:.0%}; "
        f"95% interval {cell[columns.LOW]:.0%} to {cell[columns.HIGH]:.0%})"
    )


def trials_trace(trials: pd.DataFrame, x: Axis, y: Axis, outcomes: Iterable[Outcome]) -> go.Scatter:
    """Trials as marks, each in the style of an outcome.

    Args:
        trials: those that are drawn.
        x: the horizontal dimension.
        y: the vertical one.
        outcomes: one per trial, as it is to be shown.
    """
    styles = [OUTCOME_STYLE[outcome] for outcome in outcomes]
    return go.Scatter(
        x=spread(x, trials),
        y=spread(y, trials),
        mode="markers",
        text=hover(trials),
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
        marker={
            "color": [color for color, _ in styles],
            "symbol": [symbol for _, symbol in styles],
            "size": 7,
            "line": {"color": "white", "width": 0.7},
        },
    )


def _by_outcome(trials: pd.DataFrame, x: Axis, y: Axis) -> go.Scatter:
    return trials_trace(trials, x, y, map(Outcome, trials[columns.OUTCOME]))


def _add_legend(figure: go.Figure, trials: pd.DataFrame, *, has_line: bool) -> None:
    """Entries that stay whatever is shown."""
    for outcome, (color, symbol) in OUTCOME_STYLE.items():
        if (trials[columns.OUTCOME] == outcome.value).any():
            marker = {"color": color, "symbol": symbol, "size": 8}
            figure.add_scatter(x=[None], y=[None], mode="markers", name=outcome.value, marker=marker)
    if has_line:
        for name, dash, width in (("50% line", "solid", 2.5), ("its 90% band", "dash", 1.2)):
            line = {"color": LEGEND_LINE, "dash": dash, "width": width}
            figure.add_scatter(x=[None], y=[None], mode="lines", name=name, line=line, meta={"mode": "model"})


def _rounded(values: Array) -> Array:
    return np.round(values, PROBABILITY_DIGITS)
