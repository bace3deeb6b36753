"""The speed limit: the largest learning rate that is safe, against batch size, for every band of clipping."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd

from stability_sweep.analysis.baseline import baseline_point
from stability_sweep.analysis.surface import BAND, Surface
from stability_sweep.definition.claims import DEFAULT_TOLERANCE
from stability_sweep.results import columns
from stability_sweep.space.axes import Axis, format_value
from stability_sweep.space.dimensions import Choices, Value
from stability_sweep.space.roles import ROLES
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array

RATES = 41
"""Learning rates that are looked at; between two of them the limit is interpolated."""

DRAWS = 200
"""From the posterior, for the band of one limit."""

MOST_BATCHES = 9
MOST_CLIP_BANDS = 4

REACHED, NOT_REACHED, NONE_IS_SAFE, UNKNOWN = "reached", "not reached", "none is safe", "unknown"

COLUMNS = [
    columns.BATCH_SIZE,
    columns.CLIP,
    columns.CLIP_NORM,
    columns.LIMIT,
    columns.LOW,
    columns.HIGH,
    columns.STATUS,
    columns.TRIALS,
]


def speed_limits(
    surface: Surface, space: SearchSpace, *, tolerance: float = DEFAULT_TOLERANCE, seed: int = 0
) -> pd.DataFrame:
    """The largest learning rate up to which P(diverge) stays at or under a tolerance.

    The limit is where the posterior median first passes the tolerance, from below. Every joint draw from the posterior
    has a limit of its own; their quantiles are the band. A draw's limit is its last safe rate below the rate at which
    the median passes one half: among dozens of rates far below that, some draw is over a few percent by chance, which
    says nothing about the boundary. Dimensions without a role stand at the baseline.

    Args:
        surface: the fitted surface.
        space: its search space.
        tolerance: P(diverge) up to which a rate is called safe, from 0 to 1.
        seed: of the draws.

    Returns:
        One row per batch size and band of clipping: ``batch_size``, ``clip`` (label), ``clip_norm`` (value at which
        it was computed), ``limit`` (from the posterior median; NaN unless reached), ``low`` and ``high`` (90% credible
        band; 0 stands for "none is safe", infinity for "not reached"), ``status`` (`status_of`), ``trials`` (those that
        the surface rests on). Empty if the study lacks one of these roles, or does not search the learning rate.
    """
    rate, batch_size, clip_norm = (space.role(role) for role in ROLES)
    if rate is None or batch_size is None or clip_norm is None or rate not in surface.encoding.names:
        return pd.DataFrame(columns=COLUMNS)
    standing, rows = baseline_point(space), []
    for label, clip in representatives(space, clip_norm, MOST_CLIP_BANDS):
        for _, batch in representatives(space, batch_size, MOST_BATCHES):
            point = {**standing, batch_size: batch, clip_norm: clip}
            limit, low, high = _limit_at(surface, point, space.axes[rate], tolerance, seed)
            status = status_of(limit, low, high)
            shown = limit if status == REACHED else math.nan
            rows.append([batch, label, clip, shown, low, high, status, surface.trials])
    return pd.DataFrame(rows, columns=COLUMNS)


def _limit_at(
    surface: Surface, point: Mapping[str, Value], axis: Axis, tolerance: float, seed: int
) -> tuple[float, float, float]:
    """The limit along the axis of the learning rate through a point, and the ends of its band, as `status_of` reads.

    Args:
        surface: the fitted surface.
        point: of every dimension a value; that of the learning rate does not matter.
        axis: of the learning rate.
        tolerance: P(diverge) up to which a rate is called safe, from 0 to 1.
        seed: of the draws.
    """
    rates, is_listed = _rates(axis), bool(axis.values)
    line = points_at(point, **{axis.name: rates})
    found = surface.predict(line)
    median = found[columns.MEDIAN].to_numpy()
    limit = _crossing(rates, median, tolerance, is_listed=is_listed)
    drawn = [
        _crossing(rates, _from_boundary(draw, median, tolerance), tolerance, is_listed=is_listed)
        for draw in surface.draws(line, DRAWS, seed=seed)
    ]
    # "nearest": a limit may be 0 or infinite, and nothing lies between infinity and a number.
    low, high = np.quantile([*drawn, limit], [(1 - BAND) / 2, (1 + BAND) / 2], method="nearest")
    if (found[columns.HIGH] <= tolerance).all():  # of dozens of rates, some draw is over it at one by chance
        return limit, math.inf, math.inf
    return limit, min(float(low), limit), max(float(high), limit)


def status_of(limit: float, low: float, high: float) -> str:
    """What the data say of a limit within its band; what they cannot say is unknown, never unsafe or safe.

    Args:
        limit: from the posterior median; 0 where that is over the tolerance at the smallest rate, infinite where it
            never is.
        low: the band's lower end, in the same spelling, at most the limit.
        high: the upper end, at least the limit.

    Returns:
        ``none is safe``: not even the upper end lets any rate through. ``not reached``: even the lower end lets every
        rate of the study through. ``reached``: the limit lies within the searched range, and the band excludes at least
        one of those two. ``unknown``: everything else.
    """
    if high == 0:
        return NONE_IS_SAFE
    if math.isinf(low):
        return NOT_REACHED
    is_inside = 0 < limit < math.inf
    return REACHED if is_inside and (low > 0 or high < math.inf) else UNKNOWN


def points_at(point: Mapping[str, Value], **varied: Array) -> pd.DataFrame:
    """Points that differ from one in the given dimensions only; all arrays have one length."""
    count = len(next(iter(varied.values())))
    return pd.DataFrame({**{name: [value] * count for name, value in point.items()}, **varied})


def _rates(axis: Axis) -> Array:
    if axis.values:
        return np.array([float(value) for value in axis.values])
    positions = np.linspace(axis.edges[0], axis.edges[-1], RATES)
    return 10**positions if axis.is_log else positions


def representatives(space: SearchSpace, name: str, most: int) -> list[tuple[str, Value]]:
    """Values that stand for all of a dimension, with labels; "off" is always one.

    Args:
        space: the search space.
        name: of the dimension.
        most: how many at most, 2 or more.

    Returns:
        Choices, in the order of their bands, the first and the last among them; or the middles of equal parts of a
        range, "off" last.
    """
    dimension, axis = space[name], space.axes[name]
    if isinstance(dimension, Choices):
        values = list(axis.values)
        picked = values if len(values) <= most else [values[i] for i in _spread(len(values), most)]
        return [(format_value(value), value) for value in picked]
    bands = most - int(axis.has_off)
    end = axis.edges[-2] if axis.has_off else axis.edges[-1]
    edges = np.linspace(axis.edges[0], end, bands + 1)
    found: list[tuple[str, Value]] = []
    for low, high in pairwise(edges):
        ends = [float(10**p if axis.is_log else p) for p in (low, high, (low + high) / 2)]
        label = f"{format_value(ends[0])} to {format_value(ends[1])}"
        is_whole = isinstance(dimension.low, int) and isinstance(dimension.high, int) and not dimension.off_share
        found.append((label, round(ends[2]) if is_whole else ends[2]))
    if axis.has_off:
        found.append(("off", math.inf))
    return found


def _spread(count: int, most: int) -> list[int]:
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})


def _from_boundary(draw: Array, median: Array, tolerance: float) -> Array:
    """A draw in which nothing is over the tolerance before its last safe rate below the median's boundary."""
    over_half = median > max(0.5, tolerance)
    boundary = int(np.argmax(over_half)) if over_half.any() else len(draw)
    safe = np.flatnonzero(draw[:boundary] <= tolerance)
    if not len(safe):
        return draw
    return np.concatenate([np.minimum(draw[: safe[-1]], tolerance), draw[safe[-1] :]])


def _crossing(rates: Array, probability: Array, tolerance: float, *, is_listed: bool = False) -> float:
    """The first rate at which the tolerance is passed, interpolated; 0 if at the first one, infinity if nowhere.

    Args:
        rates: ascending, (rates,).
        probability: P(diverge) there, (rates,).
        tolerance: from 0 to 1.
        is_listed: whether the rates are all that there are; then it is the last one before the tolerance is passed.
    """
    over = probability > tolerance
    if not over.any():
        return math.inf
    first = int(np.argmax(over))
    if first == 0:
        return 0.0
    if is_listed:
        return float(rates[first - 1])
    # On logarithmic rates and logits the line is nearly straight.
    logits = np.log(np.clip(probability[first - 1 : first + 1], 1e-12, 1 - 1e-12))
    share = float((math.log(tolerance) - logits[0]) / (logits[1] - logits[0]))
    return float(np.exp(np.interp(min(max(share, 0.0), 1.0), [0, 1], np.log(rates[first - 1 : first + 1]))))
