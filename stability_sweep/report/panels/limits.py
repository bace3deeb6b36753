"""The speed limit: how fast one may go, against batch size, for every band of clipping."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from stability_sweep.analysis import Analysis, table_names
from stability_sweep.analysis.baseline import baseline_in_words, nearest_to_baseline
from stability_sweep.analysis.speed_limit import NONE_IS_SAFE, NOT_REACHED, REACHED, UNKNOWN
from stability_sweep.report.blocks import Exhibit
from stability_sweep.report.panels.panel import Panel
from stability_sweep.report.theme import BAR_OPACITY, DASHES, MARKERS, QUALITATIVE, style
from stability_sweep.report.wording import horizon_in_words, plural, rates_sentence
from stability_sweep.results import columns
from stability_sweep.space.axes import Axis, format_value
from stability_sweep.space.roles import BATCH_SIZE, CLIP_NORM, LEARNING_RATE
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
        """One figure."""
        space = analysis.study.space
        rate = space.role_axis(LEARNING_RATE)
        assert rate is not None  # there is no limit without one
        return [
            Exhibit(
                f"largest learning rate with P(diverge) at most {analysis.tolerance:.0%}",
                speed_limit_finding(analysis),
                table_names.SPEED_LIMITS,
                speed_limit_figure(analysis.limits, space.role_axis(BATCH_SIZE), rate),
            )
        ]


PANEL = SpeedLimits()


@dataclass(frozen=True)
class LimitInWords:
    """A speed limit in words, part by part."""

    value: str
    """``1.2e-3``, ``not reached``, ``none is safe``, ``unknown above 8e-4``."""
    reason: str = ""
    """Why it is no number; empty for one."""
    band: str = ""
    """``90% band 8e-4 to 2e-3``; empty where the whole band says the same."""
    again: str = ""
    """``again safe between 3e-3 and 1e-2``; empty where nothing above the limit is."""

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> LimitInWords:
        """Of a row of `speed_limits`."""
        status = row[columns.STATUS]
        if status == NOT_REACHED:
            return cls(status, "every learning rate of the study is safe")
        if status == NONE_IS_SAFE:
            return cls(status, "even the smallest learning rate of the study is over the tolerance")
        band = f"90% band {_end_in_words(row[columns.LOW])} to {_end_in_words(row[columns.HIGH])}"
        if status == UNKNOWN:
            above = f" above {format_value(float(row[columns.LOW]))}" if row[columns.LOW] > 0 else ""
            return cls(f"{status}{above}", "not enough trials to say", band)
        return cls(format_value(float(row[columns.LIMIT])), "", band, _again_in_words(row))

    def __str__(self) -> str:
        """``1.2e-3 (90% band 8e-4 to 2e-3)``, ``not reached: every learning rate of the study is safe``."""
        reason = f": {self.reason}" if self.reason else ""
        band = f" ({self.band})" if self.band else ""
        return f"{self.value}{reason}{band}{self.again and f'; {self.again}'}"


def default_limit(analysis: Analysis) -> dict[str, Any] | None:
    """The row of the speed limits that is nearest to the baseline."""
    limits, space = analysis.limits, analysis.study.space
    if limits.empty:
        return None
    roles = {columns.BATCH_SIZE: BATCH_SIZE, columns.CLIP_NORM: CLIP_NORM}
    values = [limits[name] if space.role(role) else [None] * len(limits) for name, role in roles.items()]
    nearest = limits.iloc[nearest_to_baseline(space, list(zip(*values, strict=True)))]
    return {str(key): value for key, value in nearest.items()}


def place_in_words(row: Mapping[Any, Any], *, clip: bool = True) -> str:
    """``batch size 64 and clip norm off``; what the study lacks is left out, and may be everything.

    Args:
        row: of `speed_limits`.
        clip: whether to say the clip norm.
    """
    parts = []
    if row[columns.BATCH_SIZE] is not None:
        parts.append(f"batch size {row[columns.BATCH_SIZE]}")
    if clip and row[columns.CLIP] is not None:
        parts.append(f"clip norm {row[columns.CLIP]}")
    return " and ".join(parts)


def speed_limit_finding(analysis: Analysis) -> str:
    """The speed limit at the default batch size, and for how many settings there is one."""
    row = default_limit(analysis)
    if row is None:
        return "There is no speed limit to state: the learning rate is not searched, or there are too few trials."
    counts = analysis.limits[columns.STATUS].value_counts()
    twice = int(analysis.limits[columns.AGAIN_FROM].notna().sum())
    again = f" Above the limit, {plural(twice, 'setting')} {'is' if twice == 1 else 'are'} safe again." if twice else ""
    unknown = f"; for {counts[UNKNOWN]} there are not enough trials to say" if UNKNOWN in counts else ""
    place = place_in_words(row)
    where = f"At {place}, the" if place else "The"
    return (
        f"{where} largest learning rate with P(diverge "
        f"{horizon_in_words(analysis.trials, analysis.study)}) at most {analysis.tolerance:.0%} is "
        f"{LimitInWords.of(row)}, by {plural(int(row[columns.TRIALS]), 'trial')} over the whole space. A limit was "
        f"found for {counts.get(REACHED, 0)} of {plural(len(analysis.limits), 'setting')}{unknown}.{again} "
        f"{baseline_in_words(analysis.study.space, analysis.study.space.core)}"
    ).strip()


def speed_limit_figure(limits: pd.DataFrame, batch: Axis | None, rate: Axis) -> go.Figure:
    """The largest safe learning rate against batch size, one line per band of clipping, with credible bands.

    Where the trials cannot say, the line is interrupted: a hollow circle lies in the middle of what the band holds.

    Args:
        limits: from `speed_limits`.
        batch: the batch size's axis; None in a study without one, where every line is a single mark.
        rate: the learning rate's.
    """
    figure = go.Figure()
    groups = [part for _, part in limits.groupby(columns.CLIP, sort=False, dropna=False)]
    for place, part in enumerate(groups):
        shift = (place - (len(groups) - 1) / 2) * SHIFT
        for trace in _line_and_marks(part, place, batch, rate, shift):
            figure.add_trace(trace)
    style(figure, x=batch, y=rate)
    across = {"tickvals": [], "range": [-0.5, 0.5]} if batch is None else {"title": {"text": "batch size"}}
    figure.update_layout(xaxis=across, yaxis={"title": {"text": "largest safe learning rate"}})
    floor, ceiling = rate.edges[0], rate.edges[-1]
    margin = MARGIN * (ceiling - floor)
    figure.update_yaxes(range=[floor - margin, ceiling + margin])
    return figure


def _again_in_words(row: Mapping[Any, Any]) -> str:
    """Where the map is within the tolerance again, above the limit."""
    start, end = float(row[columns.AGAIN_FROM]), float(row[columns.AGAIN_TO])
    if math.isnan(start):
        return ""
    if math.isinf(end):
        return f"again safe from {format_value(start)} on"
    return f"again safe between {format_value(start)} and {format_value(end)}"


def _end_in_words(end: float) -> str:
    return "none" if end == 0 else "beyond the range" if math.isinf(end) else format_value(float(end))


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
        "text": [_mark_in_words(row) for row in part.to_dict("records")],
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


def _mark_in_words(row: Mapping[Any, Any]) -> str:
    """What the reader sees of a limit under the pointer; its clipping is told by its line."""
    place = place_in_words(row, clip=False)
    return f"{place}: {LimitInWords.of(row)}" if place else str(LimitInWords.of(row))


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
