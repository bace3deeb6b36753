"""The speed limit: the largest learning rate that is safe, against batch size, for every band of clipping.

A study that lacks a batch size or a clip norm has a limit all the same: one for whatever else there is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from stability_sweep.analysis.lines import Line, crossings, lines_of, safe_stretches
from stability_sweep.analysis.surface import BAND, Surface
from stability_sweep.definition.claims import DEFAULT_TOLERANCE
from stability_sweep.results import columns
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array

NARROWEST_DECADES = 0.05
"""A second safe stretch that is narrower says nothing: it is the map's own roughness."""

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
    columns.AGAIN_FROM,
    columns.AGAIN_TO,
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
        the surface rests on), ``again_from`` and ``again_to`` (the widest stretch above the limit where the median
        is within the tolerance again; infinity is the end of the range; NaN where there is none). What the study lacks,
        batch size or clip norm, is None in all rows. Empty if it has no learning rate, or does not search it.
    """
    return limits_table(list(lines_of(surface, space, seed=seed)), surface.trials, tolerance)


def limits_table(lines: Sequence[Line], trials: int, tolerance: float) -> pd.DataFrame:
    """`speed_limits` of lines that are there already.

    Args:
        lines: all for one number of steps.
        trials: those that their surface rests on.
        tolerance: P(diverge) up to which a rate is called safe, from 0 to 1.
    """
    rows = []
    for line in lines:
        limit, low, high = limit_of(line, tolerance)
        status = status_of(limit, low, high)
        shown = limit if status == REACHED else math.nan
        again = _safe_again(line, tolerance) if status == REACHED else (math.nan, math.nan)
        rows.append([line.batch_size, line.clip, line.clip_norm, shown, low, high, status, trials, *again])
    return pd.DataFrame(rows, columns=COLUMNS)


def limit_of(line: Line, tolerance: float) -> tuple[float, float, float]:
    """The limit along a line, and the ends of its 90% band, as `status_of` reads them.

    Args:
        line: one batch size and band of clipping.
        tolerance: P(diverge) up to which a rate is called safe, from 0 to 1.
    """
    limit = float(crossings(line, line.median[None, :], tolerance)[0])
    drawn = crossings(line, _from_boundary(line.draws, line.median, tolerance), tolerance)
    # "nearest": a limit may be 0 or infinite, and nothing lies between infinity and a number.
    low, high = np.quantile([*drawn, limit], [(1 - BAND) / 2, (1 + BAND) / 2], method="nearest")
    if (line.high <= tolerance).all():  # of dozens of rates, some draw is over it at one by chance
        return limit, math.inf, math.inf
    return limit, min(float(low), limit), max(float(high), limit)


def _safe_again(line: Line, tolerance: float) -> tuple[float, float]:
    """The widest safe stretch above the limit, by the median; NaN where there is none."""
    later = [(start, end) for start, end in safe_stretches(line, line.median, tolerance) if start > 0]
    wide = [stretch for stretch in later if _decades(stretch, line.rates) >= NARROWEST_DECADES]
    return max(wide, key=lambda stretch: _decades(stretch, line.rates), default=(math.nan, math.nan))


def _decades(stretch: tuple[float, float], rates: Sequence[float] | Array) -> float:
    return math.log10(min(stretch[1], float(rates[-1]))) - math.log10(stretch[0])


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


def _from_boundary(draws: Array, median: Array, tolerance: float) -> Array:
    """Draws in which nothing is over the tolerance before the last safe rate below the median's boundary."""
    over_half = median > max(0.5, tolerance)
    boundary = int(np.argmax(over_half)) if over_half.any() else len(median)
    if boundary == 0:
        return draws
    safe = draws[:, :boundary] <= tolerance
    last_safe = np.where(safe.any(axis=1), boundary - 1 - np.argmax(safe[:, ::-1], axis=1), 0)
    before = np.arange(len(median)) < last_safe[:, None]
    return np.where(before, np.minimum(draws, tolerance), draws)
