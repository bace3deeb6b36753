"""The baseline: the settings at which maps, limits and effects stand in the dimensions that they do not show."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from stability_sweep.errors import StudyError
from stability_sweep.space.axes import format_value
from stability_sweep.space.dimensions import Range, Value
from stability_sweep.space.off import OFF
from stability_sweep.space.roles import BATCH_SIZE, CLIP_NORM
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.space.standing import USUAL_BATCH_SIZE, Standing, baseline, baseline_point
from stability_sweep.text import value_in_words
from stability_sweep.typing import Mask

__all__ = [
    "Standing",
    "baseline",
    "baseline_in_words",
    "baseline_point",
    "nearest_to_baseline",
    "placed_in",
]


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


def nearest_to_baseline(space: SearchSpace, places: Sequence[tuple[Value | None, Value | None]]) -> int:
    """Index of the batch size and clip norm that are nearest to the baseline's, the batch size before the clip norm.

    Where the definition names neither, that is the batch size nearest to 64 with the loosest clipping.

    Args:
        space: the search space.
        places: batch size and clip norm, from the tightest clipping to the loosest; None in a study that lacks one.

    Returns:
        Of places that are equally near, the last.
    """
    batch_size = space.baseline.get(space.role(BATCH_SIZE) or "", USUAL_BATCH_SIZE)
    clip_norm = space.baseline.get(space.role(CLIP_NORM) or "")

    def distance(index: int) -> tuple[float, float, int]:
        batch, clip = places[index]
        return _factor(batch, batch_size), _factor(clip, clip_norm), -index

    return min(range(len(places)), key=distance)


def _factor(value: Value | None, wanted: Value | None) -> float:
    """How far two positive numbers are apart, in proportion; 0 where there is nothing to compare."""
    if value is None or wanted is None or value == wanted:
        return 0.0
    ratio = float(value) / float(wanted)
    return abs(math.log(ratio)) if 0.0 < ratio < math.inf else math.inf
