"""The view of all three core dimensions at once: the surface on which P(diverge) is one half."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from stability_sweep.analysis import Analysis
from stability_sweep.analysis.baseline import baseline_in_words
from stability_sweep.report.blocks import Exhibit
from stability_sweep.report.panels.drawn_trials import drawn, hover, spread
from stability_sweep.report.theme import OUTCOME_STYLE, PROBABILITY_DIGITS, axis_layout, style
from stability_sweep.report.wording import drawn_in_words
from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome
from stability_sweep.space.axes import Axis
from stability_sweep.space.roles import BATCH_SIZE, CLIP_NORM, LEARNING_RATE, ROLES
from stability_sweep.space.search_space import SearchSpace

MOST_SOLID = 500
"""Trials drawn in space; of more, a random sample."""

HALF_COLOR = "#e69f00"

SYMBOLS = {
    Outcome.STABLE: "circle",
    Outcome.STALLED: "square",
    Outcome.EXPLODED: "square-open",
    Outcome.DIVERGED: "diamond",
}
"""Plotly draws three-dimensional crosses with a glyph that many systems lack."""


def solid_exhibit(analysis: Analysis) -> Exhibit | None:
    """The view, with what it says; None unless all three are searched and trials ended in more than one way."""
    trials, solid, space = analysis.trials, analysis.solid, analysis.study.space
    if solid.empty or trials[columns.OUTCOME].nunique() < 2:
        return None
    finding = solid_finding(solid, space, drawn=min(len(trials), MOST_SOLID), total=len(trials))
    axes = {role: space.axes[name] for role, name in zip(ROLES, space.core, strict=True)}
    return Exhibit("All three at once", finding, figure=solid_view(solid, trials, axes))


def solid_view(solid: pd.DataFrame, trials: pd.DataFrame, axes: dict[str, Axis]) -> go.Figure:
    """The surface on which P(diverge) is one half, in the space of the three core dimensions, with trials.

    Args:
        solid: from `half_surface`.
        trials: the trials that count.
        axes: of the dimensions that have the three roles, by role.
    """
    figure = go.Figure(_half_surface(solid))
    shown = drawn(trials, MOST_SOLID)
    for outcome in OUTCOME_STYLE:
        part = shown[shown[columns.OUTCOME] == outcome.value]
        if not part.empty:
            figure.add_trace(_marks(part, axes, outcome))
    style(figure, height=560)
    letters = (("x", BATCH_SIZE), ("y", CLIP_NORM), ("z", LEARNING_RATE))
    scene = {f"{letter}axis": axis_layout(axes[role]) for letter, role in letters}
    figure.update_layout(scene={**scene, "camera": {"eye": {"x": 1.7, "y": -1.5, "z": 0.9}}})
    return figure


def solid_finding(solid: pd.DataFrame, space: SearchSpace, *, drawn: int, total: int) -> str:
    """How much of the space lies beyond the 50% surface, which trials are drawn, and where other dimensions stand.

    Args:
        solid: from `half_surface`.
        space: the study's.
        drawn: how many trials the view draws.
        total: how many count.
    """
    share = float((solid[columns.PROBABILITY] > 0.5).mean())
    return (
        f"On the orange surface P(diverge) is one half; turn it with the pointer. In {share:.0%} of the space (by the "
        f"axes as drawn) training diverges more often than not. {drawn_in_words(drawn, total)}. "
        f"{baseline_in_words(space, space.core)}"
    ).strip()


def _half_surface(solid: pd.DataFrame) -> go.Isosurface:
    return go.Isosurface(
        x=solid[BATCH_SIZE],
        y=solid[CLIP_NORM],
        z=solid[LEARNING_RATE],
        value=solid[columns.PROBABILITY].round(PROBABILITY_DIGITS),
        isomin=0.5,
        isomax=0.5,
        surface_count=1,
        opacity=0.55,
        colorscale=[[0, HALF_COLOR], [1, HALF_COLOR]],
        showscale=False,
        caps={"x_show": False, "y_show": False, "z_show": False},
        hoverinfo="skip",
        name="P(diverge) = 50%",
        showlegend=True,
    )


def _marks(trials: pd.DataFrame, axes: dict[str, Axis], outcome: Outcome) -> go.Scatter3d:
    color, _ = OUTCOME_STYLE[outcome]
    return go.Scatter3d(
        x=spread(axes[BATCH_SIZE], trials),
        y=spread(axes[CLIP_NORM], trials),
        z=spread(axes[LEARNING_RATE], trials),
        mode="markers",
        name=outcome.value,
        text=hover(trials),
        hovertemplate="%{text}<extra></extra>",
        marker={"color": color, "symbol": SYMBOLS[outcome], "size": 3.5},
    )
