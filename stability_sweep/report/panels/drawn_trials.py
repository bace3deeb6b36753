"""Trials as marks in a figure: which are drawn, where, on which slices, and what the reader sees under the pointer."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from stability_sweep.report.theme import (
    LINE,
    MARK_OUTLINE,
    MARK_SIZE,
    OUTCOME_STYLE,
    PALE_OPACITY,
    PALE_OUTLINE,
    PALE_SIZE,
)
from stability_sweep.report.wording import spaced, value_words
from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome
from stability_sweep.space.axes import Axis
from stability_sweep.text import printable
from stability_sweep.typing import Integers, Mask

MOST_DRAWN = 3000
"""Trials drawn in a figure; of more, a random sample: a browser draws so many marks in a fraction of a second."""

GOLDEN_RATIO = 0.6180339887
SPREAD = 0.7
"""Trials of equal value are spread over this share of their band."""


@dataclass(frozen=True)
class Stay:
    """The slices of a map on which trials are drawn in full."""

    first: Integers
    last: Integers
    """By trial."""
    is_pale: bool
    """Whether a trial is small and pale on all other slices, instead of being left out there."""

    @classmethod
    def everywhere(cls, count: int) -> Stay:
        """Of trials on a map of one slice."""
        return cls(np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64), is_pale=True)

    def of(self, part: Mask) -> Stay:
        """Of some of the trials."""
        return Stay(self.first[part], self.last[part], self.is_pale)

    def looks(self, index: int) -> dict[str, Any]:
        """Sizes, opacities and outlines of the marks on one slice."""
        is_full = (self.first <= index) & (index <= self.last)
        size, opacity, outline = (PALE_SIZE, PALE_OPACITY, PALE_OUTLINE) if self.is_pale else (0, 1, 0)
        return {
            "size": np.where(is_full, MARK_SIZE, size).tolist(),
            "opacity": np.where(is_full, 1, opacity).tolist(),
            "line": {"color": LINE, "width": np.where(is_full, MARK_OUTLINE, outline).tolist()},
        }


def drawn(trials: pd.DataFrame, most: int = MOST_DRAWN) -> pd.DataFrame:
    """All trials, or a random sample of so many, always the same one."""
    return trials if len(trials) <= most else trials.sample(most, random_state=0).sort_index()


def hover(trials: pd.DataFrame, names: Iterable[str]) -> list[str]:
    """What the reader sees of a trial under the pointer: how it ended, and its settings.

    Args:
        trials: those that are drawn.
        names: of the dimensions.
    """
    # Plotly takes its texts for a kind of HTML, with links.
    settings = [
        [html.escape(printable(f"{spaced(name)} {value_words(value)}")) for value in trials[name].tolist()]
        for name in names
    ]
    steps = trials[columns.DIVERGENCE_STEP]
    ends = [
        f"trial {number}: {outcome}" + ("" if step is pd.NA else f" at step {step}")
        for number, outcome, step in zip(trials[columns.NUMBER], trials[columns.OUTCOME], steps, strict=True)
    ]
    return [f"{end}<br>{', '.join(parts)}" for end, *parts in zip(ends, *settings, strict=True)]


def outcome_marker(outcome: Outcome) -> dict[str, Any]:
    """The mark of an outcome, with the outline by which it is seen on any ground."""
    color, symbol = OUTCOME_STYLE[outcome]
    return {"color": color, "symbol": symbol, "size": MARK_SIZE, "line": {"color": LINE, "width": MARK_OUTLINE}}


def trials_meta(name: str) -> dict[str, Any]:
    """What the page's script knows a trace of trials by; its `customdata` are the numbers of the trials."""
    return {"trials": True, "key": name}


def trials_traces(
    trials: pd.DataFrame,
    axes: tuple[Axis, Axis],
    outcome: Outcome,
    stay: Stay,
    *,
    names: Iterable[str],
    shown: int,
    entry: str = "",
) -> list[go.Scatter]:
    """Trials of one outcome on a map, and the entry of the legend that hides them.

    Args:
        trials: those that are drawn.
        axes: the horizontal one and the vertical one.
        outcome: as which they are shown.
        stay: the slices on which they are drawn in full.
        names: of the dimensions, for the pointer.
        shown: the slice that is shown first.
        entry: what the legend says; by default the outcome.
    """
    entry = entry or outcome.value
    stretch = {"first": stay.first.tolist(), "last": stay.last.tolist(), "pale": stay.is_pale}
    common = {"mode": "markers", "name": entry, "legendgroup": entry}
    marks = go.Scatter(
        **common,
        x=spread(axes[0], trials),
        y=spread(axes[1], trials),
        text=hover(trials, names),
        customdata=trials[columns.NUMBER].tolist(),
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
        marker={**outcome_marker(outcome), **stay.looks(shown)},
        meta={**trials_meta(entry), **stretch},
    )
    # An entry of its own: Plotly would make that of trials of which most are pale a pale one.
    return [marks, go.Scatter(**common, x=[None], y=[None], marker=outcome_marker(outcome), meta={"key": entry})]


def spread(axis: Axis, trials: pd.DataFrame) -> list[float]:
    """Positions; trials of equal value are spread over their band, the same trial always to the same place."""
    width = axis.edges[-1] - axis.edges[-2]
    places = []
    for value, number in zip(trials[axis.name].tolist(), trials[columns.NUMBER].tolist(), strict=True):
        is_single = bool(axis.values) or (isinstance(value, float) and math.isinf(value))
        # Multiples of the golden ratio fill a stretch evenly, however many there are.
        jitter = ((number * GOLDEN_RATIO) % 1.0 - 0.5) * SPREAD * width if is_single else 0.0
        places.append(round(axis.position(value) + jitter, 4))
    return places
