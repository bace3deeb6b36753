"""P(diverge) along the learning rate, at every batch size and band of clipping: what limits and precision look at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.special import logit

from stability_sweep.analysis.baseline import baseline_point
from stability_sweep.analysis.surface import BAND, Surface
from stability_sweep.space.axes import Axis, format_value
from stability_sweep.space.dimensions import Choices, Value
from stability_sweep.space.roles import BATCH_SIZE, CLIP_NORM, LEARNING_RATE
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array, Integers

RATES = 41
"""Learning rates that are looked at; between two of them P(diverge) is interpolated."""

DRAWS = 200
"""From the posterior, for the bands of one line."""

MOST_BATCHES = 9
MOST_CLIP_BANDS = 4

SMALLEST = 1e-12
"""Probabilities are kept so far from 0 and 1: their logits are finite."""


@dataclass(frozen=True)
class Line:
    """One batch size and band of clipping; all other dimensions stand at the baseline."""

    batch_size: Value | None
    """None in a study that has none."""
    clip: str | None
    """The band of clipping, in words; None in a study without clipping."""
    clip_norm: Value | None
    """The value that stands for it."""
    steps: int | None
    """Within how many steps; None for the horizon at the point."""
    rates: Array
    """Ascending, (rates,)."""
    is_listed: bool
    """Whether these are all the rates that there are."""
    median: Array
    """P(diverge), (rates,)."""
    high: Array
    """Upper end of its 90% band, (rates,)."""
    draws: Array
    """Joint draws of it, (draws, rates)."""


def lines_of(
    surface: Surface, space: SearchSpace, *, seed: int = 0, steps: Sequence[int | None] = (None,)
) -> Iterator[Line]:
    """Every line, batch sizes within bands of clipping; one after the other for each number of steps.

    Args:
        surface: the fitted surface.
        space: its search space; without a searched learning rate there are no lines.
        seed: of the draws.
        steps: within how many P(diverge) is told, none beyond the longest horizon; None for the horizon at the point.
    """
    rate = space.role(LEARNING_RATE)
    if rate is None or rate not in surface.encoding.names:
        return
    standing, axis = baseline_point(space), space.axes[rate]
    rates = _rates(axis)
    for label, clip in _of_role(space, CLIP_NORM, MOST_CLIP_BANDS):
        for _, batch in _of_role(space, BATCH_SIZE, MOST_BATCHES):
            given = {space.role(BATCH_SIZE): batch, space.role(CLIP_NORM): clip}
            point = standing | {name: value for name, value in given.items() if name is not None and value is not None}
            points = points_at(point, **{rate: rates})
            for step, found in zip(steps, surface.along(points, DRAWS, steps, seed=seed), strict=True):
                yield Line(batch, label, clip, step, rates, bool(axis.values), *_kept(*found))


def seen_by(line: Line, surface: Surface, points: pd.DataFrame, *, seed: int = 0) -> Line:
    """The same line by another surface.

    Args:
        line: by an earlier one.
        surface: the other.
        points: of the line, one per rate.
        seed: of the draws.
    """
    ((median, draws),) = surface.along(points, DRAWS, (line.steps,), seed=seed)
    kept, high, drawn = _kept(median, draws)
    return replace(line, median=kept, high=high, draws=drawn)


def _kept(median: Array, draws: Array) -> tuple[Array, Array, Array]:
    """Median, upper end of the 90% band, and draws, as a line keeps them."""
    high = np.quantile(draws, (1 + BAND) / 2, axis=0)
    return median.clip(SMALLEST, 1 - SMALLEST), high, draws.clip(SMALLEST, 1 - SMALLEST)


def crossings(line: Line, probability: Array, tolerance: float) -> Array:
    """The first rate at which the tolerance is passed, interpolated; 0 if at the first one, infinity if nowhere.

    Args:
        line: whose rates they are.
        probability: P(diverge) there, (draws, rates).
        tolerance: from 0 to 1.

    Returns:
        (draws,).
    """
    over = probability > tolerance
    first = np.argmax(over, axis=1)
    rows = np.arange(len(probability))
    below, above = probability[rows, np.maximum(first - 1, 0)], probability[rows, first]
    inside = _between(line, below, above, np.maximum(first, 1), tolerance)
    return np.where(over.any(axis=1), np.where(first == 0, 0.0, inside), math.inf)


def safe_stretches(line: Line, probability: Array, tolerance: float) -> list[tuple[float, float]]:
    """Where P(diverge) is at most the tolerance: first and last rate of every stretch, ascending.

    0 stands for a stretch that begins below the first rate, infinity for one that ends beyond the last one.

    Args:
        line: whose rates they are.
        probability: P(diverge) there, (rates,).
        tolerance: from 0 to 1.
    """

    def passed(upper: int) -> float:
        ends = probability[[upper - 1]], probability[[upper]]
        return float(_between(line, *ends, np.array([upper]), tolerance)[0])

    safe = probability <= tolerance
    starts = np.flatnonzero(safe & ~np.append(False, safe[:-1]))
    ends = np.flatnonzero(safe & ~np.append(safe[1:], False))
    return [
        (
            0.0 if first == 0 else passed(int(first)),
            math.inf if last == len(safe) - 1 else passed(int(last) + 1),
        )
        for first, last in zip(starts, ends, strict=True)
    ]


def _between(line: Line, below: Array, above: Array, upper: Integers, tolerance: float) -> Array:
    """Where the tolerance is passed, in either direction, between the rate of an index and the one before it.

    Args:
        line: whose rates they are.
        below: P(diverge) at the rate before, (draws,).
        above: at the rate of the index, (draws,).
        upper: that index, 1 or more, (draws,).
        tolerance: from 0 to 1.
    """
    if line.is_listed:
        return line.rates[np.where(above <= tolerance, upper, upper - 1)]
    # On logarithmic rates and logits the line is nearly straight.
    low, high, wanted = logit(below), logit(above), math.log(tolerance / (1 - tolerance))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip((wanted - low) / (high - low), 0.0, 1.0)
    start, end = np.log(line.rates[upper - 1]), np.log(line.rates[upper])
    return np.asarray(np.exp(start + share * (end - start)))


def points_at(point: Mapping[str, Value], **varied: Array) -> pd.DataFrame:
    """Points that differ from one in the given dimensions only; all arrays have one length."""
    count = len(next(iter(varied.values())))
    return pd.DataFrame({**{name: [value] * count for name, value in point.items()}, **varied})


def _of_role(space: SearchSpace, role: str, most: int) -> Sequence[tuple[str | None, Value | None]]:
    """The representatives of the dimension that has a role; one that says nothing where none has it."""
    name = space.role(role)
    return [(None, None)] if name is None else representatives(space, name, most)


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
        found.append((label, round(ends[2]) if dimension.is_whole else ends[2]))
    if axis.has_off:
        found.append(("off", math.inf))
    return found


def _spread(count: int, most: int) -> list[int]:
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})
