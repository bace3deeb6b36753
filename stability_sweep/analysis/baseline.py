"""The baseline: the settings at which maps, limits and effects stand in the dimensions that they do not show."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from stability_sweep.analysis.axes import format_value, study_axes
from stability_sweep.definition import StudyDefinition, split_dimension
from stability_sweep.search_space import Choices, Point, Range, Value

BATCH_SIZE = 64
"""No definition has a batch size of its own: every study searches it. This one is usual."""

OWN, NEAREST = "the definition's own", "nearest to the definition's own"
MIDDLE, LOOSEST = "the middle of its axis", "the loosest"


@dataclass(frozen=True)
class Standing:
    """One dimension's place in the baseline."""

    value: Value
    why: str
    """In words: whose setting that is."""


def baseline(definition: StudyDefinition) -> dict[str, Standing]:
    """Where every dimension of a study stands when it is not shown.

    At the definition's own setting (``[training]`` and ``[model]``, defaults included), or, where the search leaves
    that out, at the searched value nearest to it. Three dimensions have no setting of their own: the learning rate
    stands at the middle of its axis, the batch size at the one nearest to 64, and clipping is off, or as loose as it
    gets.
    """
    return {name: _standing(definition, name) for name in definition.search_space}


def baseline_point(definition: StudyDefinition) -> Point:
    """The values of `baseline`."""
    return {name: standing.value for name, standing in baseline(definition).items()}


def baseline_in_words(definition: StudyDefinition, shown: Collection[str] = ()) -> str:
    """``Baseline: training.warmup steps 0, model.n lf 3 (the definition's own); batch size 64 (nearest to 64).``

    Args:
        definition: the study.
        shown: dimensions that a figure or a table shows, so that they need no baseline.

    Returns:
        A sentence about the searched dimensions that are not shown; empty if there is none.
    """
    by_reason: dict[str, list[str]] = {}
    for name, standing in baseline(definition).items():
        axis = study_axes(definition)[name]
        if name not in shown and len(axis.labels) > 1:
            by_reason.setdefault(standing.why, []).append(f"{axis.title} {format_value(standing.value)}")
    if not by_reason:
        return ""
    parts = [f"{', '.join(settings)} ({why})" for why, settings in by_reason.items()]
    return f"Baseline: {'; '.join(parts)}."


def _standing(definition: StudyDefinition, name: str) -> Standing:
    dimension = definition.search_space[name]
    if name == "batch_size":
        return Standing(_nearest(dimension, BATCH_SIZE), f"nearest to {BATCH_SIZE}")
    if name == "clip_norm":
        return Standing(_nearest(dimension, math.inf), LOOSEST)
    if name == "learning_rate":
        return Standing(_middle(definition, name), MIDDLE)
    section, field = split_dimension(name)
    own: Value | None = getattr(getattr(definition, section), field)
    if own is None:
        return Standing(_middle(definition, name), MIDDLE)
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
    places = [math.log(number) for number in numbers] if min(numbers) > 0 else numbers
    if math.isinf(places[-1]):
        return values[places.index(max(places[:-1]))]
    return values[min(range(len(values)), key=lambda place: abs(places[place] - places[-1]))]


def _middle(definition: StudyDefinition, name: str) -> Value:
    axis, dimension = study_axes(definition)[name], definition.search_space[name]
    if isinstance(dimension, Choices):
        return axis.values[len(axis.values) // 2]
    middle = math.sqrt(dimension.low * dimension.high) if dimension.log else (dimension.low + dimension.high) / 2
    is_whole = isinstance(dimension.low, int) and isinstance(dimension.high, int) and not dimension.off_share
    return round(middle) if is_whole else middle
