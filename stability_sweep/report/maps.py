"""Stability maps: the model's P(diverge) in slices, the raw counts, and the trials on top.

Every trace says in its `meta` in which mode and slice it is seen; the page's controls switch them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from stability_sweep.analysis import PairMap, divergence_cells
from stability_sweep.report.theme import LEGEND_LINE, LINE, OUTCOME_STYLE, SCALE, axis_layout, style
from stability_sweep.results.outcome import Outcome
from stability_sweep.space.axes import Axis
from stability_sweep.space.roles import ROLES
from stability_sweep.typing import Array

GOLDEN_RATIO = 0.6180339887
MOST_DRAWN = 1500
"""Trials drawn on a map; of more, a random sample."""

MOST_SOLID = 500
SOLID_SYMBOLS = {Outcome.STABLE: "circle", Outcome.STALLED: "square", Outcome.EXPLODED: "square-open",
                 Outcome.DIVERGED: "diamond"}  # fmt: skip
"""Plotly draws three-dimensional crosses with a glyph that many systems lack."""
DIGITS = 3


def stability_map(trials: pd.DataFrame, x: Axis, y: Axis, model: PairMap | None) -> go.Figure:
    """P(diverge) over two dimensions.

    Args:
        trials: the trials that count.
        x: the horizontal dimension.
        y: the vertical one.
        model: the surface's map; without it only counts are drawn.
    """
    figure = go.Figure()
    shown = drawn(trials, MOST_DRAWN)
    if model is not None:
        slices = model.slice_of(shown)
        for index in range(len(model.slices)):
            meta = {"mode": "model", "slice": index}
            for trace in (*_model_traces(model, index), _trials_trace(shown[slices == index], x, y)):
                figure.add_trace(trace.update(meta=meta, visible=index == model.first))
    meta = {"mode": "counts"}
    for trace in (_counts_trace(trials, x, y), _trials_trace(shown, x, y)):
        figure.add_trace(trace.update(meta=meta, visible=model is None))
    _add_legend(figure, trials, has_line=model is not None)
    return style(figure, x=x, y=y)


def solid_view(solid: pd.DataFrame, trials: pd.DataFrame, axes: dict[str, Axis]) -> go.Figure:
    """The surface on which P(diverge) is one half, in the space of the three core dimensions, with trials."""
    rate, batch, clip = (axes[name] for name in ROLES)
    figure = go.Figure(
        go.Isosurface(
            x=solid["batch_size"], y=solid["clip_norm"], z=solid["learning_rate"],
            value=solid["probability"].round(DIGITS), isomin=0.5, isomax=0.5, surface_count=1, opacity=0.55,
            colorscale=[[0, "#e69f00"], [1, "#e69f00"]], showscale=False, caps={"x_show": False, "y_show": False,
            "z_show": False}, hoverinfo="skip", name="P(diverge) = 50%", showlegend=True,
        )
    )  # fmt: skip
    shown = drawn(trials, MOST_SOLID)
    for outcome, (color, _) in OUTCOME_STYLE.items():
        part = shown[shown["outcome"] == outcome.value]
        if part.empty:
            continue
        figure.add_trace(
            go.Scatter3d(
                x=_spread(batch, part), y=_spread(clip, part), z=_spread(rate, part), mode="markers",
                name=outcome.value, text=hover(part), hovertemplate="%{text}<extra></extra>",
                marker={"color": color, "symbol": SOLID_SYMBOLS[outcome], "size": 3.5},
            )
        )  # fmt: skip
    style(figure, height=560)
    scene = {f"{letter}axis": axis_layout(axis) for letter, axis in (("x", batch), ("y", clip), ("z", rate))}
    figure.update_layout(scene={**scene, "camera": {"eye": {"x": 1.7, "y": -1.5, "z": 0.9}}})
    return figure


def trials_on_slices(trials: pd.DataFrame, model: PairMap | None) -> list[int]:
    """How many trials are drawn on every slice of a map, each on the one nearest to it; without slices, in all."""
    shown = drawn(trials, MOST_DRAWN)
    if model is None:
        return [len(shown)]
    return [int(count) for count in np.bincount(model.slice_of(shown), minlength=len(model.slices))]


def slice_labels(model: PairMap, counts: list[int]) -> list[str]:
    """What the slider says of every slice: its value, and how many trials are drawn on it."""
    return [
        f"{piece.label} ({count} of {sum(counts)} trials)" for piece, count in zip(model.slices, counts, strict=True)
    ]


def drawn(trials: pd.DataFrame, most: int) -> pd.DataFrame:
    """All trials, or a random sample of so many, always the same one."""
    return trials if len(trials) <= most else trials.sample(most, random_state=0).sort_index()


def hover(trials: pd.DataFrame) -> list[str]:
    """What the reader sees of a trial under the pointer."""
    steps = trials["divergence_step"]
    return [
        f"trial {number}: {outcome}" + ("" if step is pd.NA else f" at step {step}")
        for number, outcome, step in zip(trials["number"], trials["outcome"], steps, strict=True)
    ]


def _model_traces(model: PairMap, index: int) -> list[Any]:
    grids = {name: model.grid(name, index) for name in ("probability", "median", "low", "high")}
    heat = go.Heatmap(
        x=model.x_positions,
        y=model.y_positions,
        z=_rounded(grids["probability"]),
        customdata=np.dstack([_rounded(grids["low"]), _rounded(grids["high"])]).tolist(),
        hovertemplate="P(diverge) %{z:.0%}<br>90% band %{customdata[0]:.0%} to %{customdata[1]:.0%}<extra></extra>",
        colorscale=SCALE,
        zmin=0,
        zmax=1,
        colorbar={"title": {"text": "P(diverge)"}, "tickformat": ".0%", "thickness": 10, "outlinewidth": 0, "xpad": 4},
    )
    return [
        heat,
        _half_line(model, grids["median"], "solid", 2.5),
        # Where the band's upper end passes one half, divergence begins to be likely; where the lower does, it is sure.
        _half_line(model, grids["high"], "dash", 1.2),
        _half_line(model, grids["low"], "dash", 1.2),
    ]


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
    shape = (len(y.labels), len(x.labels))

    def grid(values: list[Any]) -> list[list[Any]]:
        return [values[row * shape[1] : (row + 1) * shape[1]] for row in range(shape[0])]

    records = cells.to_dict("records")
    return go.Heatmap(
        x=list(x.edges),
        y=list(y.edges),
        z=grid([None if math.isnan(value) else round(value, DIGITS) for value in cells["fraction"]]),
        text=grid([f"{cell['diverged']}/{cell['total']}" if cell["total"] else "" for cell in records]),
        texttemplate="%{text}",
        textfont={"size": 10, "color": "#374151"},
        customdata=grid([_describe_cell(cell) for cell in records]),
        hovertemplate="%{customdata}<extra></extra>",
        hoverongaps=False,
        colorscale=SCALE,
        zmin=0,
        zmax=1,
        xgap=2,
        ygap=2,
        colorbar={"title": {"text": "diverged"}, "tickformat": ".0%", "thickness": 10, "outlinewidth": 0, "xpad": 4},
    )


def _describe_cell(cell: dict[Any, Any]) -> str:
    place = f"{cell['x']} × {cell['y']}"
    if not cell["total"]:
        return f"{place}<br>no trials"
    return (
        f"{place}<br>{cell['diverged']} of {cell['total']} diverged ({cell['fraction']:.0%}; "
        f"95% interval {cell['low']:.0%} to {cell['high']:.0%})"
    )


def _trials_trace(trials: pd.DataFrame, x: Axis, y: Axis) -> go.Scatter:
    styles = [OUTCOME_STYLE[Outcome(outcome)] for outcome in trials["outcome"]]
    return go.Scatter(
        x=_spread(x, trials),
        y=_spread(y, trials),
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


def _add_legend(figure: go.Figure, trials: pd.DataFrame, *, has_line: bool) -> None:
    """Entries that stay whatever is shown."""
    for outcome, (color, symbol) in OUTCOME_STYLE.items():
        if (trials["outcome"] == outcome.value).any():
            marker = {"color": color, "symbol": symbol, "size": 8}
            figure.add_scatter(x=[None], y=[None], mode="markers", name=outcome.value, marker=marker)
    if has_line:
        for name, dash, width in (("50% line", "solid", 2.5), ("its 90% band", "dash", 1.2)):
            line = {"color": LEGEND_LINE, "dash": dash, "width": width}
            figure.add_scatter(x=[None], y=[None], mode="lines", name=name, line=line, meta={"mode": "model"})


def _spread(axis: Axis, trials: pd.DataFrame) -> list[float]:
    """Positions; trials of equal value are spread over their band, the same trial always to the same place."""
    width = axis.edges[-1] - axis.edges[-2]
    places = []
    for value, number in zip(trials[axis.name].tolist(), trials["number"].tolist(), strict=True):
        is_single = bool(axis.values) or (isinstance(value, float) and math.isinf(value))
        jitter = ((number * GOLDEN_RATIO) % 1.0 - 0.5) * 0.7 * width if is_single else 0.0
        places.append(round(axis.position(value) + jitter, 4))
    return places


def _rounded(values: Array) -> Array:
    return np.round(values, DIGITS)
