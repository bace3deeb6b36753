"""The baseline: the settings at which maps, limits and effects stand in the dimensions that they do not show."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stability_sweep.errors import StudyError
from stability_sweep.space.axes import format_value
from stability_sweep.space.dimensions import Choices, Point, Range, Value
from stability_sweep.space.off import OFF
from stability_sweep.space.roles import BATCH_SIZE, CLIP_NORM
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.text import value_in_words
from stability_sweep.typing import Mask

USUAL_BATCH_SIZE = 64
"""No definition has a batch size of its own: every study searches it. This one is usual."""

OWN, NEAREST = "the definition's own", "nearest to the definition's own"
MIDDLE, LOOSEST = "the middle of its axis", "the loosest"


@dataclass(frozen=True)
class Standing:
    """Where one dimension stands in the baseline."""

    value: Value
    why: str
    """In words: whose setting that is."""


def baseline(space: SearchSpace) -> dict[str, Standing]:
    """Where every dimension of a study stands when it is not shown.

    At the definition's own setting (``[training]`` and ``[model]``, defaults included), or, where the search leaves
    that out, at the searched value nearest to it. Three dimensions have no setting of their own: the learning rate
    stands at the middle of its axis, the batch size at the one nearest to 64, and clipping is off, or as loose as it
    gets.
    """
    return {name: _standing(space, name) for name in space}


def baseline_point(space: SearchSpace) -> Point:
    """The values of `baseline`."""
    return {name: standing.value for name, standing in baseline(space).items()}


def baseline_in_words(space: SearchSpace, shown: Collection[str] = ()) -> str:
    """``Baseline: training.warmup steps 0, model.n lf 3 (the definition's own); batch size 64 (nearest to 64).``

    Args:
        space: its search space.
        shown: dimensions that a figure or a table shows, so that they need no baseline.

    Returns:
        A sentence about the searched dimensions that are not shown; empty if there is none.
    """
    by_reason: dict[str, list[str]] = {}
    for name, standing in baseline(space).items():
        axis = space.axes[name]
        if name not in shown and len(axis.labels) > 1:
            by_reason.setdefault(standing.why, []).append(f"{axis.title} {format_value(standing.value)}")
    if not by_reason:
        return ""
    parts = [f"{', '.join(settings)} ({why})" for why, settings in by_reason.items()]
    return f"Baseline: {'; '.join(parts)}."


def placed_in(space: SearchSpace, points: pd.DataFrame) -> tuple[pd.DataFrame, Mask]:
    """Points with a value for every dimension, and which of them lie in the search space, (points,).

    Args:
        space: the search space.
        points: a column per dimension, "off" as infinity or by name; what is left out stands at the baseline.

    Raises:
        StudyError: if a column holds what cannot be a value of its dimension.
    """
    standing, is_inside = baseline_point(space), np.ones(len(points), dtype=bool)
    placed = pd.DataFrame({name: [value] * len(points) for name, value in standing.items()}, index=points.index)
    for name in space:
        if name not in points:
            continue
        values = [math.inf if value == OFF else value for value in points[name].tolist()]
        if isinstance(space[name], Range) and not all(isinstance(value, (int, float)) for value in values):
            odd = next(value for value in values if not isinstance(value, (int, float)))
            raise StudyError(f"expected numbers in the column {name!r}, got {value_in_words(odd)}")
        inside = np.array([space.contains(name, value) for value in values], dtype=bool)
        placed[name] = [value if ok else standing[name] for value, ok in zip(values, inside, strict=True)]
        is_inside &= inside
    return placed, is_inside


def _standing(space: SearchSpace, name: str) -> Standing:
    dimension = space[name]
    if name == space.role(BATCH_SIZE):
        return Standing(_nearest(dimension, USUAL_BATCH_SIZE), f"nearest to {USUAL_BATCH_SIZE}")
    if name == space.role(CLIP_NORM):
        return Standing(_nearest(dimension, math.inf), LOOSEST)
    own = space.own.get(name)
    if own is None:
        return Standing(_middle(space, name), MIDDLE)
    value = _nearest(dimension, own)
    return Standing(value, OWN if value == own else f"{NEAREST}, {format_value(own)}")


def _nearest(dimension: Range | Choices, wanted: Value) -> Value:
    """The searched value nearest to a wanted one: in proportion where all are positive; of texts, that or the first."""
    if isinstance(dimension, Range):
        assert isinstance(wanted, (int, float))
        if math.isinf(wanted) and dimension.off_share:
            return wanted
        return min(max(wanted, dimension.low), dimension.high)
    values = dimension.grid(0)
    if wanted in values or not dimension.is_ordered:
        return wanted if wanted in values else values[0]
    numbers = [float(value) for value in (*values, wanted)]
    *positions, target = [math.log(number) for number in numbers] if min(numbers) > 0 else numbers
    if math.isinf(target):
        return values[positions.index(max(positions))]
    return values[min(range(len(values)), key=lambda index: abs(positions[index] - target))]


def _middle(space: SearchSpace, name: str) -> Value:
    axis, dimension = space.axes[name], space[name]
    if isinstance(dimension, Choices):
        return axis.values[len(axis.values) // 2]
    middle = math.sqrt(dimension.low * dimension.high) if dimension.log else (dimension.low + dimension.high) / 2
    is_whole = isinstance(dimension.low, int) and isinstance(dimension.high, int) and not dimension.off_share
    return round(middle) if is_whole else middle
