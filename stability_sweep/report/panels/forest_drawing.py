"""Remedies as a forest: a row each, with what it does to the safe learning rate, and beside that its price.

A row's words stand above its marks, not beside them: so a phone has room for both, and a long name can wrap.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from stability_sweep.analysis.remedies import HARMS, HELPS, NO_EFFECT, UNDECIDED, USELESS
from stability_sweep.report.remedy_words import remedy_lines
from stability_sweep.report.theme import AXIS, CARD, DANGER, QUALITATIVE, style
from stability_sweep.results import columns
from stability_sweep.text import printable
from stability_sweep.typing import Array

VERDICT_STYLE = {
    HELPS: (QUALITATIVE[0], "triangle-up"),
    USELESS: (QUALITATIVE[3], "diamond-open"),
    NO_EFFECT: (AXIS, "square"),
    UNDECIDED: (QUALITATIVE[4], "circle-open"),
    HARMS: (DANGER, "x"),
}
"""Color and symbol per verdict: told apart by shape, too."""

LETTERS = 44
"""Of a line of words: as many as a phone has room for."""

LINE_HEIGHT, MARK_HEIGHT = 17, 30
"""Pixels of a line of a row's words, and of the marks below them."""

FRAME_HEIGHT = 130
"""Pixels of what stands around the rows."""

MOST_SPREADS = 3.0
"""An axis reaches so many times as far from none as three quarters of the rows do: with the few that go much further on
it, shifts of a tenth would not be seen."""

MARGIN = 0.06
"""Room at either side, as a share of the axis."""


@dataclass(frozen=True)
class Scale:
    """One of the two columns of the figure."""

    middle: str
    low: str
    high: str
    title: str
    missing: str
    """What stands in place of a mark that is not known."""
    factor: float = 1.0
    """From the table's numbers to those of the axis."""


DECADES = Scale(
    columns.SHIFT_DECADES,
    columns.LOW,
    columns.HIGH,
    "learning rate, decades<br>(right is better)",
    "unknown",
)
CHANGE = Scale(
    columns.CHANGE_OF_PROBABILITY,
    columns.LOW_PROBABILITY,
    columns.HIGH_PROBABILITY,
    "P(diverge), points<br>(left is better)",
    "unknown",
    factor=100,
)
YARDSTICK = Scale(
    columns.PRICE, columns.PRICE_LOW, columns.PRICE_HIGH, "price, yardstick<br>(left is better)", "not measured"
)


def forest_figure(table: pd.DataFrame) -> go.Figure:
    """A row per remedy, from the top; left the shift, or the change of P(diverge) where no learning rate is searched.

    Args:
        table: of `Remedies`; at least one row.
    """
    scales = [DECADES if table[columns.SHIFT_DECADES].notna().any() else CHANGE]
    if table[columns.PRICE].notna().any():
        scales.append(YARDSTICK)
    labels = [_wrapped(str(remedy)) for remedy in table[columns.REMEDY]]
    heights = np.array([LINE_HEIGHT * len(lines) + MARK_HEIGHT for lines in labels])
    ends = heights.cumsum()
    marks = ends - MARK_HEIGHT / 2
    widths = [0.62, 0.38][: len(scales)]
    figure = make_subplots(cols=len(scales), shared_yaxes=True, column_widths=widths, horizontal_spacing=0.06)
    style(figure, height=int(ends[-1]) + FRAME_HEIGHT)
    hover = [_hover(row) for row in table.to_dict("records")]
    for place, scale in enumerate(scales, start=1):
        _draw(figure, place, scale, table, marks, hover)
    for lines, start in zip(labels, ends - heights, strict=True):
        words = {"text": "<br>".join(lines), "align": "left", "xanchor": "left", "yanchor": "top", "showarrow": False}
        # Its ground hides the line at none, which would run through the letters.
        figure.add_annotation(**words, bgcolor=CARD, borderpad=0, xref="paper", x=0, yref="y", y=start + 4)
        if start:
            line = {"color": AXIS, "width": 0.5}
            figure.add_shape(type="line", xref="paper", x0=0, x1=1, yref="y", y0=start, y1=start, line=line)
    figure.update_yaxes(range=[float(ends[-1]), 0], visible=False)
    figure.update_layout(margin={"l": 14, "r": 14, "b": 66}, legend={"y": 1 + 8 / float(ends[-1])})
    return figure


def _draw(figure: go.Figure, place: int, scale: Scale, table: pd.DataFrame, marks: Array, hover: Sequence[str]) -> None:
    """One column: its marks, verdict by verdict, its line at none, and a word where there is no mark."""
    middle, low, high = (
        scale.factor * table[name].to_numpy(np.float64) for name in (scale.middle, scale.low, scale.high)
    )
    start, end = _reach(middle, low, high)
    shown, margin = np.clip(middle, start, end), MARGIN * (end - start)
    verdicts = table[columns.VERDICT]
    for verdict, (color, symbol) in VERDICT_STYLE.items():
        among = (verdicts == verdict).to_numpy()
        if not among.any():
            continue
        trace = go.Scatter(
            x=shown[among],
            y=marks[among],
            mode="markers",
            name=verdict,
            legendgroup=verdict,
            showlegend=place == 1,
            marker={"size": 10, "symbol": symbol, "color": color, "line": {"width": 2, "color": color}},
            error_x=_whiskers(shown[among], low[among], high[among], color),
            text=[text for text, is_among in zip(hover, among, strict=True) if is_among],
            hovertemplate="%{text}<extra></extra>",
        )
        figure.add_trace(trace, row=1, col=place)
    figure.add_vline(x=0, line={"dash": "dot", "color": AXIS}, row=1, col=place)
    figure.update_xaxes(title_text=scale.title, range=[start - margin, end + margin], nticks=5, row=1, col=place)
    across = f"x{'' if place == 1 else place} domain"
    said = {"text": scale.missing, "showarrow": False, "font": {"size": 11}, "bgcolor": CARD}
    for y in marks[np.isnan(middle)]:
        figure.add_annotation(**said, xref=across, x=0.5, yref="y", y=y)


def _reach(middle: Array, low: Array, high: Array) -> tuple[float, float]:
    """The ends of what is drawn along an axis: none, and of marks and whiskers as much as lets all be told apart."""
    ends = np.stack([middle, low, high])[:, np.isfinite(middle)]
    if not ends.size:
        return -1.0, 1.0
    furthest = np.nan_to_num(np.abs(ends), posinf=0).max(axis=0)
    most = MOST_SPREADS * float(np.quantile(furthest, 0.75)) or 1.0
    inside = np.clip(np.where(np.isnan(ends), 0, ends), -most, most)
    start, end = min(0.0, float(inside.min())), max(0.0, float(inside.max()))
    return (start, end) if start < end else (-most, most)


def _whiskers(middle: Array, low: Array, high: Array, color: str) -> dict[str, Any]:
    """From the low to the high end; an endless one ends far beyond the figure."""
    far = 1e6
    up, down = (np.nan_to_num(part, nan=0.0, posinf=far, neginf=far) for part in (high - middle, middle - low))
    return {
        "type": "data",
        "symmetric": False,
        "array": np.maximum(up, 0),
        "arrayminus": np.maximum(down, 0),
        "thickness": 1.8,
        "color": color,
    }


def _hover(row: dict[Any, Any]) -> str:
    name = [f"<b>{line}</b>" for line in _wrapped(str(row[columns.REMEDY]))]
    return "<br>".join([*name, *(html.escape(line) for line in remedy_lines(row))])


def _wrapped(name: str) -> list[str]:
    """A name in lines; Plotly takes its texts for a kind of HTML, with links."""
    return [html.escape(line) for line in textwrap.wrap(printable(name), LETTERS)] or ["–"]
