"""Stability maps: the model's P(diverge) in slices, the raw counts, and the trials on top.

Every trace says in its `meta` in which mode and slice it is seen, and by which entry of the legend it is hidden; the
page's controls switch them. There is one trace of trials per outcome for all slices: its `meta` says on which slices a
trial is drawn in full.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from stability_sweep.analysis import PairMap, divergence_cells
from stability_sweep.definition.claims import DEFAULT_TOLERANCE
from stability_sweep.report.panels.drawn_trials import Stay, drawn, trials_traces
from stability_sweep.report.panels.hatching import hatched, hatched_entry
from stability_sweep.report.theme import (
    INK,
    LINE,
    MARK_OUTLINE,
    MARK_SIZE,
    OUTCOME_STYLE,
    PALE_OPACITY,
    PALE_OUTLINE,
    PALE_SIZE,
    PROBABILITY_DIGITS,
    SCALE,
    style,
)
from stability_sweep.results import columns
from stability_sweep.space.axes import Axis
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array

CELL_GAP = 2
"""Pixels between the cells of the raw counts."""

MAP_HEIGHT = 580
"""Pixels, of which the legends above and the scale below take about 200."""

HALF_LINE, TOLERANCE_LINE, UNCERTAIN = "50% line", "tolerance line", "uncertain: band on both sides"
"""Entries of the second legend, which tells what the model says; the first one tells trials by outcome."""

MODEL_LEGEND = "legend2"
LEGEND_ROW, TOOLS = 24, 26
"""Pixels of a row of a legend, and of Plotly's own buttons above."""

MODEL, COUNTS = "model", "counts"
"""What a map shows."""


def stability_map(
    trials: pd.DataFrame,
    x: Axis,
    y: Axis,
    model: PairMap | None,
    space: SearchSpace,
    *,
    tolerance: float = DEFAULT_TOLERANCE,
) -> go.Figure:
    """P(diverge) over two dimensions.

    Args:
        trials: the trials that count.
        x: the horizontal dimension.
        y: the vertical one.
        model: the surface's map; without it only counts are drawn.
        space: the study's.
        tolerance: P(diverge) at which a second line is drawn.
    """
    figure = go.Figure()
    shown = drawn(trials)
    first, stay = 0, Stay.everywhere(len(shown))
    if model is not None:
        first, slices = model.first, model.slice_of(shown)
        stay = Stay(slices, slices, is_pale=True)
        for index in range(len(model.slices)):
            for trace in model_traces(model, index, tolerance):
                figure.add_trace(trace.update(visible=index == first))
    figure.add_trace(_counts_trace(trials, x, y).update(meta={"mode": COUNTS}, visible=model is None))
    for outcome in OUTCOME_STYLE:
        part = (shown[columns.OUTCOME] == outcome.value).to_numpy()
        if part.any():
            for trace in trials_traces(shown[part], (x, y), outcome, stay.of(part), names=space, shown=first):
                figure.add_trace(trace)
    if model is not None:
        add_model_legend(figure)
    return style_map(figure, x, y, model)


def style_map(figure: go.Figure, x: Axis, y: Axis, model: PairMap | None) -> go.Figure:
    """The look of a map, and what the page's script needs of it: the looks of marks, and places in words.

    Args:
        figure: it is changed, and returned.
        x: the horizontal dimension.
        y: the vertical one.
        model: the surface's map, or none.
    """
    style(figure, x=x, y=y, height=MAP_HEIGHT)
    marks = {"size": [PALE_SIZE, MARK_SIZE], "opacity": [PALE_OPACITY, 1], "outline": [PALE_OUTLINE, MARK_OUTLINE]}
    places = {}
    if model is not None:
        for letter, axis, positions in (("x", x, model.x_positions), ("y", y, model.y_positions)):
            places[letter] = [f"{axis.title} {axis.words(position)}" for position in positions.tolist()]
    entries = sum(trace.legend == MODEL_LEGEND for trace in figure.data)
    upper = {
        "orientation": "h",
        "x": 0,
        "xref": "paper",
        "y": 1 - TOOLS / MAP_HEIGHT,
        "yref": "container",
        "yanchor": "top",
    }
    return figure.update_layout(
        meta={"marks": marks, "places": places},
        margin={
            "l": 60,
            "r": 18,
            "t": TOOLS + LEGEND_ROW * (entries + 1) + 6,
            "b": 104,
        },  # on a phone an entry is a row
        **{MODEL_LEGEND: upper},
    )


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


def model_traces(model: PairMap, index: int, tolerance: float) -> list[Any]:
    """One slice of a map: P(diverge), where it is uncertain, and its 50% line and its tolerance's, wherever crossed.

    Args:
        model: the map.
        index: of the slice.
        tolerance: P(diverge) of the second line; the page's script moves it where the reader asks for another.
    """
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
    # Where the band's upper end passes one half, divergence begins to be likely; where the lower does, it is sure.
    unsure = hatched(model, np.minimum(high - 0.5, 0.5 - low), "/")
    meta = {"mode": MODEL, "slice": index}
    return [
        heat.update(meta=meta),
        unsure.update(meta={**meta, "key": UNCERTAIN}),
        _line_at(model, median, tolerance, 1.5, "dash").update(meta={**meta, "key": TOLERANCE_LINE}),
        _line_at(model, median, 0.5, 2.5, "solid").update(meta={**meta, "key": HALF_LINE}),
    ]


def add_model_legend(figure: go.Figure) -> None:
    """Entries for the line and the hatching, which are traces of every slice, in colors that are seen on the card."""
    entry = {"x": [None], "y": [None], "mode": "lines", "legend": MODEL_LEGEND}
    for name, width, dash in ((HALF_LINE, 2.5, "solid"), (TOLERANCE_LINE, 1.5, "dash")):
        line = {"color": INK, "width": width, "dash": dash}
        figure.add_scatter(**entry, name=name, line=line, meta={"mode": MODEL, "key": name})
    figure.add_trace(hatched_entry(UNCERTAIN, "/", MODEL_LEGEND).update(meta={"mode": MODEL, "key": UNCERTAIN}))


def _color_scale(title: str) -> dict[str, Any]:
    place = {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "ypad": 4, "len": 0.8}
    place |= {"x": 0, "xanchor": "left", "xpad": 0}
    bar = {"title": {"text": title, "side": "right"}, "tickformat": ".0%", "thickness": 12, "outlinewidth": 0, **place}
    return {"colorscale": SCALE, "zmin": 0, "zmax": 1, "colorbar": bar}


def _line_at(model: PairMap, values: Array, level: float, width: float, dash: str) -> go.Contour:
    return go.Contour(
        x=model.x_positions,
        y=model.y_positions,
        z=_rounded(values),
        contours={"start": level, "end": level, "size": 1, "coloring": "none"},
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


def _rounded(values: Array) -> Array:
    return np.round(values, PROBABILITY_DIGITS)
