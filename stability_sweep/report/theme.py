"""Colors, symbols and layout that all figures share, in light and dark.

A figure is made in its light colors; the page's script replaces every color that `DARK` names when the theme changes.
What lies on a map keeps its colors, as the map does: there is one scale, pale enough for both. Every mark has a
contrast of at least 3 to what it lies on, or an outline that has.
"""

from __future__ import annotations

from typing import Any, Final

import plotly.graph_objects as go

from stability_sweep.results.outcome import Outcome
from stability_sweep.space.axes import Axis

CARD = "#ffffff"
"""What figures lie on."""
INK = "#1f2937"
DANGER = "#b3123f"
AXIS = "#6b7280"
BAND = "rgba(0, 114, 178, 0.15)"
"""Of the area between the ends of a band, whose middle is a line of the first of `QUALITATIVE`."""
CONTEXT = "#868f9c"
"""Of what stands behind, for comparison: seen, but weaker than everything else."""
QUALITATIVE = ("#0072b2", "#b84a00", "#00795a", "#a8447f", "#8a5f00", "#4f5bd5", "#5f6773", "#85493d")

_QUALITATIVE_DARK = ("#56b4e9", "#ff9a57", "#2fcf9f", "#f0a3cf", "#f0c14b", "#aab4ff", "#a9b3c0", "#dba798")

DARK: Final[dict[str, str]] = {
    CARD: "#1b2432",
    INK: "#e5e7eb",
    DANGER: "#ff7a99",
    AXIS: "#9ca3af",
    BAND: "rgba(86, 180, 233, 0.2)",
    CONTEXT: "#6f7b8c",
    **dict(zip(QUALITATIVE, _QUALITATIVE_DARK, strict=True)),
}
"""Every color that lies on the card, and what it is in the dark."""

SCALE = [[0.0, "#edf4fa"], [0.25, "#cfe2f0"], [0.5, "#e8be80"], [0.75, "#de9b78"], [1.0, "#d0697c"]]
"""P(diverge), in light and dark: ever darker, evenly, for those who see no color and for a printer that has none."""

LINE = "#0b1018"
"""Of lines on a map, of the outlines of trials, and of the words in its cells: darker than all of the scale."""

OUTCOME_STYLE: dict[Outcome, tuple[str, str]] = {
    Outcome.STABLE: ("#56b4e9", "circle"),
    Outcome.STALLED: ("#d1d5db", "square"),
    Outcome.EXPLODED: ("#f0a500", "diamond"),
    Outcome.DIVERGED: ("#ee3d6b", "x"),
}
"""Color and symbol per outcome: told apart by shape too, and by color-blind readers (after Okabe and Ito).

With the outline of `LINE` they are seen on every color of the scale and on the light card, without it on the dark one.
"""

MARK_SIZE, MARK_OUTLINE = 9, 1.2
"""Pixels of a trial's mark and of its outline."""
PALE_SIZE, PALE_OUTLINE, PALE_OPACITY = 5, 0.8, 0.7
"""Of a trial that lies on another slice than the one shown."""
BAR_OPACITY = 0.75
"""Of a broad bar, which is paler than the lines beside it."""

PROBABILITY_DIGITS = 3
"""Of a probability in a figure: its file stays small, and no eye sees more."""

PLAIN_HEIGHT = 420
"""Pixels of a figure that says nothing of its height."""

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
PATTERNS = ("", "/", "x", ".", "\\", "-", "+", "|")
MARKERS = ("circle", "square", "diamond", "triangle-up", "star", "hexagon")

_FONT = {"family": "system-ui, -apple-system, 'Segoe UI', sans-serif", "size": 13, "color": INK}
_AXIS = {"showgrid": False, "zeroline": False, "ticks": "outside", "tickcolor": AXIS, "linecolor": AXIS}


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
        "minor": {"tickvals": axis.minor_ticks(), "ticks": "outside", "ticklen": 3, "tickcolor": AXIS},
    }
