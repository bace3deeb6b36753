"""What the maps say, in sentences."""

from __future__ import annotations

import numpy as np

from stability_sweep.analysis import PairMap
from stability_sweep.analysis.baseline import baseline_in_words
from stability_sweep.report.wording import drawn_in_words, plural, value_words
from stability_sweep.results import columns
from stability_sweep.space.axes import Axis, format_value
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array


def map_finding(model: PairMap | None, x: Axis, y: Axis, space: SearchSpace) -> str:
    """Where the 50% line lies on the middle slice, how wide its band is, and where the dimensions not shown stand.

    Args:
        model: the map; None where there are only counts.
        x: the horizontal dimension.
        y: the vertical one.
        space: the study's.
    """
    if model is None:
        return "Too few trials for a model: the counts are all there is."
    standing = baseline_in_words(space, [axis.name for axis in (x, y, model.third) if axis is not None])
    return f"{_line_finding(model, x, y)} {standing}".strip()


def slice_finding(model: PairMap | None, drawn: list[int], total: int) -> str:
    """Which trials lie on a map: how many of those that are drawn at all belong to the slice that is shown first.

    Args:
        model: the map; None where there are only counts.
        drawn: trials on every slice, or on the only one.
        total: the trials that count.
    """
    all_drawn = sum(drawn)
    if model is None or model.third is None or len(drawn) < 2:
        return f"{drawn_in_words(all_drawn, total)}, wherever they lie in the dimensions that are not shown."
    sample = f" (of {total}, {all_drawn} random ones are drawn)" if all_drawn < total else ""
    return (
        f"The slice shown first has {drawn[model.first]} of {plural(all_drawn, 'trial')}, those nearer to it than to "
        f"any other; raw counts show all{sample}."
    )


def _line_finding(model: PairMap, x: Axis, y: Axis) -> str:
    index = model.first
    where = "On the slice shown first"
    if model.third is not None:
        where += f" (at {model.third.title} {value_words(model.slices[index].value)})"
    median, low, high = (model.grid(name, index) for name in (columns.MEDIAN, columns.LOW, columns.HIGH))
    # Along the horizontal axis, unless the line runs across it: then more columns cross it than rows.
    sideways = _crossed((median, low, high), x, model.x_positions, y, model.y_positions)
    upwards = _crossed((median.T, low.T, high.T), y, model.y_positions, x, model.x_positions)
    share, text = sideways if sideways[0] >= upwards[0] else upwards
    return f"{where} {text if share else _not_crossed(median, low, high)}"


def _crossed(
    grids: tuple[Array, Array, Array], along: Axis, positions: Array, across: Axis, others: Array
) -> tuple[float, str]:
    """How many of the lines along one axis cross the 50% line, from 0 to 1, and where they do, in words.

    Args:
        grids: median, low and high end of P(diverge), each (others, positions).
        along: the axis.
        positions: on it.
        across: the other axis.
        others: positions on that.
    """
    median, low, high = grids
    found = [
        (place, crossing)
        for place, crossing in enumerate(_crossing(positions, row) for row in median)
        if crossing is not None
    ]
    if not found:
        return 0.0, ""
    widths = [_width(positions, low[place], high[place], crossing) for place, crossing in found]
    parts = [
        f"{_position_words(along, crossing)} for {across.title} {_position_words(across, float(others[place]))}"
        for place, crossing in ([found[0], found[-1]] if len(found) > 1 else found)
    ]
    unit = "decades" if along.is_log else "units of its axis"
    text = (
        f"P(diverge) passes 50% at {along.title} {' and at '.join(parts)}. The line's 90% band is "
        f"{np.median(widths):.2g} {unit} wide in the median."
    )
    return len(found) / len(median), text


def _not_crossed(median: Array, low: Array, high: Array) -> str:
    """On which side of the line a whole slice lies, and for how much of it the band leaves that open."""
    diverges = bool(np.nanmean(median) > 0.5)
    side = "diverges more often than not" if diverges else "stays finite more often than not"
    is_open = float(((low <= 0.5) if diverges else (high > 0.5))[np.isfinite(median)].mean())
    doubt = f", as far as the trials tell: in {is_open:.0%} of the slice the 90% band holds the other side, too"
    return f"no 50% line is crossed: training {side} everywhere{doubt if is_open else ''}."


def _position_words(axis: Axis, position: float) -> str:
    if axis.values:
        return axis.labels[min(max(round(position), 0), len(axis.labels) - 1)]
    if axis.has_off and position > axis.edges[-2]:
        return "off"
    return format_value(float(10**position if axis.is_log else position))


def _crossing(positions: Array, row: Array, near: float | None = None) -> float | None:
    """Where a row passes one half, upward or downward: first, or nearest to a position."""
    above = row > 0.5
    known = np.isfinite(row)
    lefts = np.flatnonzero((above[1:] != above[:-1]) & known[1:] & known[:-1])
    if not len(lefts):
        return None
    shares = (0.5 - row[lefts]) / (row[lefts + 1] - row[lefts])
    found = positions[lefts] + shares * (positions[lefts + 1] - positions[lefts])
    return float(found[0] if near is None else found[np.abs(found - near).argmin()])


def _width(positions: Array, low: Array, high: Array, line: float) -> float:
    """From where the band's upper end passes one half to where its lower end does, or the end of the axis."""
    ends = [_crossing(positions, row, line) for row in (high, low)]
    first = positions[0] if ends[0] is None else ends[0]
    last = positions[-1] if ends[1] is None else ends[1]
    return float(abs(last - first))
