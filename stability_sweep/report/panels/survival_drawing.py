"""Survival curves as small multiples: a panel per group on common axes, with the other groups behind it."""

from __future__ import annotations

import html
import math

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from stability_sweep.report.theme import BAND, CONTEXT, QUALITATIVE, style
from stability_sweep.report.wording import plural
from stability_sweep.results import columns
from stability_sweep.text import printable

START = 0.7
"""Where a curve begins on a logarithmic axis of steps: before the first one."""

ACROSS = 2
"""Panels in a row: on a phone they are still as wide as a thumb is long."""

ROW_HEIGHT, FRAME_HEIGHT, GAP = 130, 104, 58
"""Pixels of a row of panels, of what stands around all of them, and between two rows."""

MOST_BEHIND = 60
"""Steps of a curve where it stands behind another."""

Line = tuple[list[float | None], list[float | None]]


def survival_figure(curves: pd.DataFrame) -> go.Figure:
    """Kaplan-Meier curves with their bands, a panel per group.

    Args:
        curves: from `survival_curves`; at least one group.
    """
    groups = [curve for _, curve in curves.groupby(columns.GROUP)]
    across = min(ACROSS, len(groups))
    rows = math.ceil(len(groups) / across)
    inner = rows * ROW_HEIGHT + (rows - 1) * GAP
    figure = make_subplots(
        rows=rows,
        cols=across,
        subplot_titles=[_title(curve) for curve in groups],
        horizontal_spacing=0.09 if across > 1 else 0,
        vertical_spacing=GAP / inner if rows > 1 else 0,
    )
    behind = _behind(groups)
    for place, curve in enumerate(groups):
        row, column = place // across + 1, place % across + 1
        for trace in (*([_context(behind)] if len(groups) > 1 else []), *_curve(curve)):
            figure.add_trace(trace, row=row, col=column)
        _label_axes(figure, row, column, is_lowest=place + across >= len(groups))
    style(figure, height=inner + FRAME_HEIGHT)
    figure.update_annotations(font_size=12)
    figure.update_layout(showlegend=False, margin={"l": 60, "r": 14, "t": 48, "b": 52})
    figure.update_xaxes(type="log", range=[math.log10(START), _last(curves)], dtick=1, exponentformat="none")
    figure.update_yaxes(tickformat=".0%", range=[-0.03, 1.03], tickvals=[0, 0.5, 1])
    return figure


def _title(curve: pd.DataFrame) -> str:
    first = curve.iloc[0]
    # Plotly takes its texts for a kind of HTML, with links.
    return f"{html.escape(printable(first[columns.LABEL]))}<br>{plural(int(first[columns.TOTAL]), 'trial')}"


def _last(curves: pd.DataFrame) -> float:
    """Where the axis of steps ends: a little beyond the longest time under observation."""
    return math.log10(max(float(curves[columns.STEP].max()), 2.0)) + 0.05


def _label_axes(figure: go.Figure, row: int, column: int, *, is_lowest: bool) -> None:
    """Numbers and titles at the outer panels alone."""
    figure.update_xaxes(title_text="step" if is_lowest else None, showticklabels=is_lowest, row=row, col=column)
    figure.update_yaxes(title_text="still finite" if column == 1 else None, row=row, col=column)
    figure.update_yaxes(showticklabels=column == 1, row=row, col=column)


def _behind(groups: list[pd.DataFrame]) -> Line:
    """All curves as one line with gaps."""
    x: list[float | None] = []
    y: list[float | None] = []
    for curve in groups:
        every = max(1, math.ceil(len(curve) / MOST_BEHIND))
        thinned = pd.concat([curve.iloc[:-1:every], curve.tail(1)])
        x += [*thinned[columns.STEP].clip(lower=START).tolist(), None]
        y += [*thinned[columns.SURVIVAL].round(3).tolist(), None]
    return x, y


def _context(behind: Line) -> go.Scatter:
    x, y = behind
    return go.Scatter(
        x=x, y=y, mode="lines", line={"shape": "hv", "color": CONTEXT, "width": 1}, hoverinfo="skip", showlegend=False
    )


def _curve(curve: pd.DataFrame) -> list[go.Scatter]:
    """A line, and behind it the band between two lines without width."""
    steps = curve[columns.STEP].clip(lower=START)
    edge = {"x": steps, "mode": "lines", "line": {"shape": "hv", "width": 0}, "showlegend": False, "hoverinfo": "skip"}
    return [
        go.Scatter(y=curve[columns.HIGH].round(4), **edge),
        go.Scatter(y=curve[columns.LOW].round(4), fill="tonexty", fillcolor=BAND, **edge),
        go.Scatter(
            x=steps,
            y=curve[columns.SURVIVAL].round(4),
            mode="lines",
            name=curve[columns.LABEL].iloc[0],
            showlegend=False,
            line={"shape": "hv", "color": QUALITATIVE[0], "width": 2.4},
            customdata=curve[[columns.LOW, columns.HIGH, columns.AT_RISK]].round(3),
            hovertemplate="step %{x}: %{y:.0%} still finite (95% band %{customdata[0]:.0%} to %{customdata[1]:.0%}), "
            "%{customdata[2]} under way<extra></extra>",
        ),
    ]
