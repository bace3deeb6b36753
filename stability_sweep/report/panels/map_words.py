"""What the maps say, in sentences."""

from __future__ import annotations

import numpy as np

from stability_sweep.analysis import PairMap
from stability_sweep.analysis.baseline import baseline_in_words
from stability_sweep.report.wording import drawn_in_words, plural, value_words
from stability_sweep.results import columns
from stability_sweep.space.axes import Axis
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array


def map_finding(model: PairMap | None, x: Axis, y: Axis, space: SearchSpace, index: int) -> str:
    """Where the 50% line lies on a slice, how wide its band is, and where the dimensions not shown stand.

    Args:
        model: the map; None where there are only counts.
        x: the horizontal dimension.
        y: the vertical one.
        space: the study's.
        index: of the slice.
    """
    if model is None:
        return "Too few trials for a model: the counts are all there is."
    standing = baseline_in_words(space, [axis.name for axis in (x, y, model.third) if axis is not None])
    return f"{_line_finding(model, x, y, index)} {standing}".strip()


def slice_finding(model: PairMap | None, drawn: list[int], total: int, index: int) -> str:
    """Which trials lie on a slice of a map, of how many.

    Args:
        model: the map; None where there are only counts.
        drawn: trials on every slice, or on the only one.
        total: the trials that count.
        index: of the slice.
    """
    if model is None or model.third is None or len(drawn) < 2:
        return counts_finding(drawn, total)
    count, all_drawn = drawn[index], sum(drawn)
    sample = f" Of {total} trials, {all_drawn} random ones are drawn." if all_drawn < total else ""
    belong = "belongs" if count == 1 else "belong"
    return (
        f"{count} of {plural(all_drawn, 'trial')} {belong} to this slice, being nearer to it than to any other; "
        f"the others are small and pale.{sample}"
    )


def counts_finding(drawn: list[int], total: int) -> str:
    """Which trials are drawn on a map that has no slices, or on the raw counts of one that has.

    Args:
        drawn: trials on every slice.
        total: the trials that count.
    """
    return f"{drawn_in_words(sum(drawn), total)}, wherever they lie in the dimensions that are not shown."


def _line_finding(model: PairMap, x: Axis, y: Axis, index: int) -> str:
    where = ""
    if model.third is not None:
        where = f"At {model.third.title} {value_words(model.slices[index].value)}, "
    median, low, high = (model.grid(name, index) for name in (columns.MEDIAN, columns.LOW, columns.HIGH))
    # Along the horizontal axis, unless the line runs across it: then more columns cross it than rows.
    sideways = _crossed((median, low, high), x, model.x_positions, y, model.y_positions)
    upwards = _crossed((median.T, low.T, high.T), y, model.y_positions, x, model.x_positions)
    share, text = sideways if sideways[0] >= upwards[0] else upwards
    told = f"{where}{text if share else _not_crossed(median, low, high)}"
    return f"{told[0].upper()}{told[1:]}"


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
        f"{along.words(crossing)} for {across.title} {across.words(float(others[place]))}"
        for place, crossing in ([found[0], found[-1]] if len(found) > 1 else found)
    ]
    unit = "decades" if along.is_log else "units of its axis"
    text = (
        f"P(diverge) passes 50% at {along.title} {' and at '.join(parts)}. The line's 90% band, "
        f"hatched, is {np.median(widths):.2g} {unit} wide in the median."
    )
    return len(found) / len(median), text


def _not_crossed(median: Array, low: Array, high: Array) -> str:
    """On which side of the line a whole slice lies, and for how much of it the band leaves that open."""
    diverges = bool(np.nanmean(median) > 0.5)
    side = "diverges more often than not" if diverges else "stays finite more often than not"
    is_open = float(((low <= 0.5) if diverges else (high > 0.5))[np.isfinite(median)].mean())
    doubt = (
        f", as far as the trials tell: in {is_open:.0%} of the slice the 90% band holds the other side, too (hatched)"
    )
    return f"no 50% line is crossed: training {side} everywhere{doubt if is_open else ''}."


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
