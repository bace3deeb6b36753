"""The speed limit: how fast one may go, against batch size, for every band of clipping."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from stability_sweep.analysis import Analysis, table_names
from stability_sweep.analysis.answer import Question
from stability_sweep.analysis.baseline import baseline_in_words, nearest_to_baseline
from stability_sweep.analysis.speed_limit import NONE_IS_SAFE, NOT_REACHED, REACHED, UNKNOWN
from stability_sweep.report.asked import with_choices
from stability_sweep.report.blocks import Exhibit
from stability_sweep.report.panels.limit_words import LimitInWords, mark_in_words, place_in_words
from stability_sweep.report.panels.panel import Panel
from stability_sweep.report.theme import BAR_OPACITY, DASHES, MARKERS, QUALITATIVE, style
from stability_sweep.report.wording import plural, rates_sentence, share_in_words, within_in_words
from stability_sweep.results import columns
from stability_sweep.space.axes import Axis
from stability_sweep.space.roles import BATCH_SIZE, CLIP_NORM, LEARNING_RATE
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array

SHIFT = 0.09
"""Lines of different clipping stand this far apart, so that their bands can be told apart."""

MARGIN = 0.04
"""Room above and below the searched rates, as a share of their axis: what lies beyond is marked at the edge."""

SYMBOLS = {NOT_REACHED: "triangle-up-open", NONE_IS_SAFE: "triangle-down-open", UNKNOWN: "circle-open"}


class SpeedLimits(Panel):
    """The largest safe learning rates."""

    key = "limits"
    title = "Speed limit"
    needs = ("limits",)

    def text(self, analysis: Analysis) -> str:
        """What the marks mean."""
        space = analysis.study.space
        lines, rate = ": one line per band of clipping" if space.role(CLIP_NORM) else "", space.role(LEARNING_RATE)
        counted = "" if rate is None else f" Counted, without any model: {rates_sentence(analysis.trials, rate)}"
        return (
            f"How fast one may go{lines}, with 90% credible bands. A hollow triangle at the top means that no "
            "learning rate of the study is too large; one at the bottom that none is safe. A hollow circle means that "
            "there are not enough trials to say: the limit may lie anywhere in its band, or beyond. A pale bar above a "
            "limit is a stretch of larger rates that is safe again. A band says where the boundary lies, if rates far "
            "below it are safe; the answer at the top of the page takes nothing for granted, and is more careful."
            f"{counted}"
        )

    def exhibits(self, analysis: Analysis) -> list[Exhibit]:
        """One figure, for every question that the reader may ask."""
        return [with_choices(analysis, _exhibit)]


PANEL = SpeedLimits()


def _exhibit(analysis: Analysis, question: Question) -> Exhibit:
    space = analysis.study.space
    rate = space.role_axis(LEARNING_RATE)
    assert rate is not None  # there is no limit without one
    limits, batch = analysis.limits_by_question[question], space.role_axis(BATCH_SIZE)
    if question == analysis.question:
        figure = speed_limit_figure(limits, batch, rate)
    else:  # the page keeps the layout, which takes as long to make as the rest
        figure = go.Figure(_traces(limits, batch, rate))
    return Exhibit(
        f"largest learning rate with P(diverge) at most {share_in_words(question.tolerance)}",
        speed_limit_finding(analysis, question),
        table_names.SPEED_LIMITS,
        figure,
    )


def default_limit(limits: pd.DataFrame, space: SearchSpace) -> dict[str, Any] | None:
    """The row of the speed limits that is nearest to the baseline."""
    if limits.empty:
        return None
    roles = {columns.BATCH_SIZE: BATCH_SIZE, columns.CLIP_NORM: CLIP_NORM}
    values = [limits[name] if space.role(role) else [None] * len(limits) for name, role in roles.items()]
    nearest = limits.iloc[nearest_to_baseline(space, list(zip(*values, strict=True)))]
    return {str(key): value for key, value in nearest.items()}


def speed_limit_finding(analysis: Analysis, question: Question | None = None) -> str:
    """The speed limit at the default batch size, and for how many settings there is one.

    Args:
        analysis: the study in numbers.
        question: one that the reader may ask; None for the study's own.
    """
    steps, tolerance = question or analysis.question
    limits, study = analysis.limits if question is None else analysis.limits_by_question[question], analysis.study
    row = default_limit(limits, study.space)
    if row is None:
        return "There is no speed limit to state: the learning rate is not searched, or there are too few trials."
    counts = limits[columns.STATUS].value_counts()
    twice = int(limits[columns.AGAIN_FROM].notna().sum())
    again = f" Above the limit, {plural(twice, 'setting')} {'is' if twice == 1 else 'are'} safe again." if twice else ""
    unknown = f"; for {counts[UNKNOWN]} there are not enough trials to say" if UNKNOWN in counts else ""
    place = place_in_words(row)
    where = f"At {place}, the" if place else "The"
    return (
        f"{where} largest learning rate with P(diverge {within_in_words(steps, analysis.trials, study)}) at most "
        f"{share_in_words(tolerance)} is {LimitInWords.of(row)}, by {plural(int(row[columns.TRIALS]), 'trial')} over "
        f"the whole space. A limit was found for {counts.get(REACHED, 0)} of {plural(len(limits), 'setting')}{unknown}."
        f"{again} {baseline_in_words(study.space, study.space.core)}"
    ).strip()


def speed_limit_figure(limits: pd.DataFrame, batch: Axis | None, rate: Axis) -> go.Figure:
    """The largest safe learning rate against batch size, one line per band of clipping, with credible bands.

    Where the trials cannot say, the line is interrupted: a hollow circle lies in the middle of what the band holds.

    Args:
        limits: from `speed_limits`.
        batch: the batch size's axis; None in a study without one, where every line is a single mark.
        rate: the learning rate's.
    """
    figure = style(go.Figure(_traces(limits, batch, rate)), x=batch, y=rate)
    across = {"tickvals": [], "range": [-0.5, 0.5]} if batch is None else {"title": {"text": "batch size"}}
    figure.update_layout(xaxis=across, yaxis={"title": {"text": "largest safe learning rate"}})
    floor, ceiling = rate.edges[0], rate.edges[-1]
    margin = MARGIN * (ceiling - floor)
    figure.update_yaxes(range=[floor - margin, ceiling + margin])
    return figure


def _traces(limits: pd.DataFrame, batch: Axis | None, rate: Axis) -> list[go.Scatter]:
    groups = [part for _, part in limits.groupby(columns.CLIP, sort=False, dropna=False)]
    shifts = [(place - (len(groups) - 1) / 2) * SHIFT for place in range(len(groups))]
    return [
        trace
        for place, (part, shift) in enumerate(zip(groups, shifts, strict=True))
        for trace in _line_and_marks(part, place, batch, rate, shift)
    ]


def _line_and_marks(part: pd.DataFrame, place: int, batch: Axis | None, rate: Axis, shift: float) -> list[go.Scatter]:
    """A line through the limits that are known, and marks in the middle of the bands of those that are not."""
    status, clip = part[columns.STATUS], part[columns.CLIP].iloc[0]
    limit = part[columns.LIMIT].mask(status == NOT_REACHED, math.inf).mask(status == NONE_IS_SAFE, 0.0)
    low, high = (_positions(rate, part[end]) for end in (columns.LOW, columns.HIGH))
    is_unknown = (status == UNKNOWN).to_numpy()
    symbols = {REACHED: MARKERS[place % len(MARKERS)], **SYMBOLS}
    color = QUALITATIVE[place % len(QUALITATIVE)]
    common = {
        "x": np.array([0.0 if batch is None else batch.position(size) for size in part[columns.BATCH_SIZE]]) + shift,
        "name": "speed limit" if clip is None else f"clip norm {clip}",
        "legendgroup": clip,
        "line": {"color": color, "dash": DASHES[place % len(DASHES)]},
        "marker": {"size": 9, "symbol": [symbols[each] for each in status], "color": color},
        "text": [mark_in_words(row) for row in part.to_dict("records")],
        "hovertemplate": "%{text}<extra></extra>",
    }
    line = np.where(is_unknown, np.nan, _positions(rate, limit))
    traces = [
        go.Scatter(**common, y=line, mode="lines+markers", showlegend=True, error_y=_band(line, low, high, 1.4, color))
    ]
    if is_unknown.any():
        marks = np.where(is_unknown, (low + high) / 2, np.nan)
        error = _band(marks, low, high, 0.8, color)
        traces.append(go.Scatter(**common, y=marks, mode="markers", showlegend=False, error_y=error))
    if part[columns.AGAIN_FROM].notna().any():
        traces.append(_safe_again(part, common, rate))
    return traces


def _safe_again(part: pd.DataFrame, common: Mapping[str, Any], rate: Axis) -> go.Scatter:
    """A pale bar over every stretch above the limit that is safe again."""
    start, end = (_positions(rate, part[column]) for column in (columns.AGAIN_FROM, columns.AGAIN_TO))
    gaps = np.full(len(part), np.nan)
    return go.Scatter(
        x=np.repeat(common["x"], 3),
        y=np.column_stack([start, end, gaps]).ravel(),
        mode="lines",
        line={"color": common["line"]["color"], "width": 7},
        opacity=BAR_OPACITY,
        legendgroup=common["legendgroup"],
        showlegend=False,
        text=np.repeat(np.array(common["text"], dtype=object), 3).tolist(),
        hovertemplate="%{text}<extra></extra>",
    )


def _band(middle: Array, low: Array, high: Array, thickness: float, color: str) -> dict[str, Any]:
    """Error bars from the low to the high end.

    Args:
        middle: where they begin.
        low: ends.
        high: ends.
        thickness: in pixels.
        color: that of the line.
    """
    up, down = np.maximum(high - middle, 0), np.maximum(middle - low, 0)
    look = {"thickness": thickness, "color": color}
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down, **look}


def _positions(axis: Axis, values: pd.Series[float]) -> Array:
    """Positions of learning rates within the axis; 0 lies at its lower end, infinity at its upper."""
    numbers = values.to_numpy(np.float64)
    if axis.values:
        numbers = np.interp(numbers, [float(value) for value in axis.values], axis.centers).astype(np.float64)
    elif axis.is_log:
        with np.errstate(divide="ignore"):
            numbers = np.log10(numbers)
    return np.asarray(np.clip(numbers, axis.edges[0], axis.edges[-1]))
