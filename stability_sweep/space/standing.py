"""Where every dimension stands that nothing else is said of: the baseline, and in words why it is that.

What is below analysis needs it too: a design's trials are planned around it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from stability_sweep.space.axes import format_value
from stability_sweep.space.dimensions import Choices, Point, Range, Value
from stability_sweep.space.roles import BATCH_SIZE, CLIP_NORM
from stability_sweep.space.search_space import SearchSpace

USUAL_BATCH_SIZE = 64
"""No definition has a batch size of its own: every study searches it. This one is usual."""

NAMED, OWN, NEAREST = "the definition's baseline", "the definition's own", "nearest to the definition's own"
MIDDLE, LOOSEST = "the middle of its axis", "the loosest"


@dataclass(frozen=True)
class Standing:
    """Where one dimension stands in the baseline."""

    value: Value
    why: str
    """In words: whose setting that is."""


def baseline(space: SearchSpace) -> dict[str, Standing]:
    """Where every dimension of a study stands when it is not shown.

    At what the definition's ``[baseline]`` says. Where that is silent, at the definition's own setting (``[training]``
    and ``[model]``, defaults included), or, where the search leaves that out, at the searched value nearest to it.
    Three dimensions have no setting of their own: the learning rate stands at the middle of its axis, the batch size
    at the one nearest to 64, and clipping is off, or as loose as it gets.
    """
    return {name: _standing(space, name) for name in space}


def baseline_point(space: SearchSpace) -> Point:
    """The values of `baseline`."""
    return {name: standing.value for name, standing in baseline(space).items()}


def _standing(space: SearchSpace, name: str) -> Standing:
    dimension, named = space[name], space.baseline.get(name)
    if named is not None:
        return Standing(named, NAMED)
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
    return round(middle) if dimension.is_whole else middle
