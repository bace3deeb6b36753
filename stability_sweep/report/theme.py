"""Colors, symbols and layout that all figures share.

Backgrounds are transparent and the page colors the text, so that one figure serves light and dark.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from stability_sweep.results.outcome import Outcome
from stability_sweep.space.axes import Axis

OUTCOME_STYLE: dict[Outcome, tuple[str, str]] = {
    Outcome.STABLE: ("#0072b2", "circle"),
    Outcome.STALLED: ("#6b7280", "square"),
    Outcome.EXPLODED: ("#e69f00", "diamond"),
    Outcome.DIVERGED: ("#b3123f", "x"),
}
"""Color and symbol per outcome: told apart by shape too, and by color-blind readers (Okabe and Ito's palette)."""

SCALE = [[0.0, "#dcecf6"], [0.25, "#bcd7ea"], [0.5, "#f7ddaa"], [0.75, "#eba98f"], [1.0, "#d9677d"]]
"""P(diverge): pale, so that the trials drawn on top stay visible, and ever darker, for those who see no color."""

PROBABILITY_DIGITS = 3
"""Of a probability in a figure: its file stays small, and no eye sees more."""

PLAIN_HEIGHT = 420
"""Pixels of a figure that says nothing of its height."""

DANGER = "#b3123f"
LINE = "#374151"
LEGEND_LINE = "#8b95a5"
"""On a map lines are dark on pale; in a legend they must be seen on white and on black."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
PATTERNS = ("", "/", "x", ".", "\\", "-", "+", "|")
MARKERS = ("circle", "square", "diamond", "triangle-up", "star", "hexagon")
QUALITATIVE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6b7280", "#8c564b")

_FONT = {"family": "system-ui, -apple-system, 'Segoe UI', sans-serif", "size": 13}
_AXIS = {"showgrid": False, "zeroline": False, "ticks": "outside", "tickcolor": "#9ca3af", "linecolor": "#9ca3af"}


def shades(count: int) -> list[str]:
    """So many colors along an ordered scale, none too pale for a line."""
    return list(sample_colorscale("Cividis", np.linspace(0.0, 0.88, max(count, 1)).tolist()))


def style(figure: go.Figure, *, x: Axis | None = None, y: Axis | None = None, height: int = PLAIN_HEIGHT) -> go.Figure:
    """Give a figure the common look, and the axes of dimensions where it has them.

    Args:
        figure: it is changed, and returned.
        x: the dimension along its horizontal axis; None where that is something else.
        y: along its vertical one.
        height: in pixels.
    """
    figure.update_layout(
        template="none",
        font=_FONT,
        height=height,
        margin={"l": 66, "r": 18, "t": 40, "b": 54},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        hoverlabel={"align": "left"},
        plot_bgcolor="rgba(0,0,0,0)",
        paper_bgcolor="rgba(0,0,0,0)",
    )
    figure.update_xaxes(automargin=True, **_AXIS)
    figure.update_yaxes(automargin=True, **_AXIS)
    if x is not None:
        figure.update_xaxes(**axis_layout(x))
    if y is not None:
        figure.update_yaxes(**axis_layout(y))
    return figure


def axis_layout(axis: Axis) -> dict[str, Any]:
    """Title, ticks and range of a dimension's axis."""
    positions, texts = axis.ticks()
    return {
        "title": {"text": axis.title},
        "tickvals": positions,
        "ticktext": texts,
        "range": [axis.edges[0], axis.edges[-1]],
    }
