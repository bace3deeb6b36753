"""Tables to Plotly figures. Nothing is computed here that a test could not read from a table."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from stability_sweep.analysis import Axis, divergence_cells
from stability_sweep.analysis.axes import format_value
from stability_sweep.analysis.frame import counted
from stability_sweep.outcome import Outcome

GOLDEN_RATIO = 0.6180339887

OUTCOME_STYLE: dict[Outcome, tuple[str, str]] = {
    Outcome.STABLE: ("#0072b2", "circle"),
    Outcome.STALLED: ("#6b7280", "square"),
    Outcome.EXPLODED: ("#e69f00", "diamond"),
    Outcome.DIVERGED: ("#b3123f", "x"),
}
"""Color and symbol per outcome: told apart by shape too, and by color-blind readers (Okabe and Ito's palette)."""

SCALE = [[0.0, "#e3f0f7"], [0.5, "#fbe3c0"], [1.0, "#e8899b"]]
"""Pale, so that the trials drawn on top stay visible."""

_FONT = {"family": "system-ui, -apple-system, 'Segoe UI', sans-serif", "size": 13, "color": "#1f2937"}


def stability_map(frame: pd.DataFrame, x: Axis, y: Axis) -> go.Figure:
    """Fraction diverged per cell with its number of trials; every trial on top, by outcome; empty cells stay empty."""
    cells = divergence_cells(frame, x, y)
    shape = (len(y.labels), len(x.labels))
    figure = go.Figure(
        go.Heatmap(
            x=list(x.edges),
            y=list(y.edges),
            z=[[_or_none(v) for v in row] for row in cells["fraction"].to_numpy().reshape(shape)],
            text=cells.apply(_describe_cell, axis=1).to_numpy().reshape(shape).tolist(),
            hovertemplate="%{text}<extra></extra>",
            hoverongaps=False,
            colorscale=SCALE,
            zmin=0,
            zmax=1,
            xgap=2,
            ygap=2,
            colorbar={"title": {"text": "diverged"}, "tickformat": ".0%", "thickness": 12, "outlinewidth": 0},
        )
    )
    figure.update_layout(annotations=[_cell_count(cell, x, y) for cell in cells.to_dict("records") if cell["total"]])
    _add_trials(figure, frame, x, y)
    _layout(figure, x=x, y=y)
    return figure


def _cell_count(cell: dict[Hashable, Any], x: Axis, y: Axis) -> dict[str, Any]:
    """``2/3`` in a cell's corner. Passed as one list: adding annotations one by one takes Plotly quadratic time."""
    return {
        "x": x.edges[cell["x_band"]],
        "y": y.edges[cell["y_band"] + 1],
        "text": f"{cell['diverged']}/{cell['total']}",
        "showarrow": False,
        "xanchor": "left",
        "yanchor": "top",
        "font": {"size": 10, "color": "#4b5563"},
    }


def divergence_steps(frame: pd.DataFrame, x: Axis, color: Axis) -> go.Figure:
    """Step of divergence against one dimension, colored by the bands of another.

    Trials that reached their horizon are drawn there, hollow.
    """
    trials = counted(frame)
    bands = pd.Series([color.band(value) for value in trials[color.name]], index=trials.index)
    shades = sample_colorscale("Viridis", np.linspace(0.0, 0.9, len(color.labels)).tolist())
    figure = go.Figure()
    for band, label in enumerate(color.labels):
        part = trials[bands == band]
        if part.empty:
            continue
        color_of_band = {"color": shades[band], "size": 8}
        figure.add_scatter(  # the legend's entry: a color, no outcome
            x=[None],
            y=[None],
            mode="markers",
            name=label,
            legendgroup=label,
            marker={**color_of_band, "symbol": "square"},
        )
        figure.add_scatter(
            x=[x.position(value) for value in part[x.name]],
            y=[int(step) for step in part["steps"]],
            mode="markers",
            name=label,
            legendgroup=label,
            showlegend=False,
            text=_hover(part),
            hovertemplate="%{text}<extra></extra>",
            marker={
                **color_of_band,
                "symbol": ["x" if o == Outcome.DIVERGED.value else "circle-open" for o in part["outcome"]],
            },
        )
    _layout(figure, x=x)
    figure.update_layout(legend_title_text=color.title)
    figure.update_yaxes(title_text="step", type="log")
    return figure


def final_losses(frame: pd.DataFrame, x: Axis) -> go.Figure:
    """Loss at the end against one dimension, by outcome; what is not finite lies in a strip above the finite ones."""
    trials = counted(frame)
    finite = trials["final_loss"].map(math.isfinite)
    values = trials.loc[finite, "final_loss"]
    is_log = bool((values > 0).all()) and not values.empty
    top = _strip_position(values, is_log=is_log)
    figure = go.Figure()
    for outcome, (color, symbol) in OUTCOME_STYLE.items():
        part = trials[trials["outcome"] == outcome.value]
        if part.empty:
            continue
        figure.add_scatter(
            x=[x.position(value) for value in part[x.name]],
            y=[loss if math.isfinite(loss) else top for loss in part["final_loss"]],
            mode="markers",
            name=outcome.value,
            text=_hover(part),
            hovertemplate="%{text}<extra></extra>",
            marker={"color": color, "symbol": symbol, "size": 8},
        )
    if not finite.all():
        figure.add_hline(y=top, line={"color": "#b3123f", "width": 1, "dash": "dot"}, layer="below")
        figure.add_annotation(
            x=0, xref="paper", y=math.log10(top) if is_log else top, text="NaN or infinite", showarrow=False,
            xanchor="left", yanchor="bottom", font={"size": 11, "color": "#b3123f"},
        )  # fmt: skip
    _layout(figure, x=x)
    figure.update_yaxes(title_text="final loss", type="log" if is_log else "linear", exponentformat="power")
    return figure


def _strip_position(finite: pd.Series[float], *, is_log: bool) -> float:
    """Where losses that are not finite are drawn: clear above the largest finite one."""
    if finite.empty:
        return 1.0
    low, high = float(finite.min()), float(finite.max())
    if is_log:
        return float(high * max(high / low, 10.0) ** 0.12)
    return high + 0.12 * max(high - low, 1.0)


def _add_trials(figure: go.Figure, frame: pd.DataFrame, x: Axis, y: Axis) -> None:
    for outcome, (color, symbol) in OUTCOME_STYLE.items():
        part = frame[frame["outcome"] == outcome.value]
        if part.empty:
            continue
        figure.add_scatter(
            x=_spread(x, part),
            y=_spread(y, part),
            mode="markers",
            name=outcome.value,
            text=_hover(part),
            hovertemplate="%{text}<extra></extra>",
            marker={"color": color, "symbol": symbol, "size": 8, "line": {"color": "white", "width": 0.8}},
        )


def _spread(axis: Axis, trials: pd.DataFrame) -> list[float]:
    numbers = [int(number) for number in trials["number"]]
    return [axis.position(v) + _jitter(axis, v, n) for v, n in zip(trials[axis.name], numbers, strict=True)]


def _jitter(axis: Axis, value: Any, number: int) -> float:
    """Spread trials of equal value over their band; the same trial always gets the same place."""
    if not axis.values and not (isinstance(value, float) and math.isinf(value)):
        return 0.0
    width = axis.edges[-1] - axis.edges[-2]
    return ((number * GOLDEN_RATIO) % 1.0 - 0.5) * 0.7 * width


def _layout(figure: go.Figure, *, x: Axis, y: Axis | None = None) -> None:
    figure.update_layout(
        template="none",
        font=_FONT,
        height=420,
        margin={"l": 64, "r": 16, "t": 36, "b": 52},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        hoverlabel={"align": "left"},
        plot_bgcolor="white",
        paper_bgcolor="white",
    )
    axes = {
        "showgrid": False,
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": "#9ca3af",
        "linecolor": "#9ca3af",
    }
    positions, texts = x.ticks()
    figure.update_xaxes(title_text=x.title, tickvals=positions, ticktext=texts, range=[x.edges[0], x.edges[-1]], **axes)
    figure.update_yaxes(**axes)
    if y is not None:
        positions, texts = y.ticks()
        figure.update_yaxes(title_text=y.title, tickvals=positions, ticktext=texts, range=[y.edges[0], y.edges[-1]])


def _describe_cell(cell: pd.Series[Any]) -> str:
    place = f"{cell['x']} × {cell['y']}"
    if not cell["total"]:
        return f"{place}<br>no trials"
    return (
        f"{place}<br>{cell['diverged']} of {cell['total']} diverged ({cell['fraction']:.0%}; "
        f"95% interval {cell['low']:.0%} to {cell['high']:.0%})"
    )


def _hover(part: pd.DataFrame) -> list[str]:
    """What the reader sees of a trial under the pointer."""
    dimensions = list(part.columns[1 : list(part.columns).index("seed")])
    texts = []
    for row in part.to_dict("records"):
        ending = row["outcome"]
        if ending == Outcome.DIVERGED.value:
            ending += f" at step {row['divergence_step']} ({row['divergence_signal'].replace('_', ' ')})"
        point = "<br>".join(f"{name} {format_value(row[name])}" for name in dimensions)
        texts.append(f"trial {row['number']}: {ending}<br>{point}<br>final loss {row['final_loss']:.4g}")
    return texts


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
