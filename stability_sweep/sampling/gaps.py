"""The widest gap: the longest stretch of one dimension on which no trial is known, among settings otherwise alike.

A model that has found one crossing of the 50% line takes a stretch without trials for more of the same, and has no
reason to look there for another one. So this looks at where points lie, and at nothing else.
"""

from __future__ import annotations

import numpy as np

from stability_sweep.sampling.cube import HIGHEST, positions
from stability_sweep.sampling.exploration import sobol_points
from stability_sweep.space.coordinates import Coordinates, UnitChoice, UnitRange
from stability_sweep.space.dimensions import are_ordered
from stability_sweep.space.roles import LEARNING_RATE
from stability_sweep.typing import Array, Mask

ALIKE = 0.4
"""Share of the space of all other dimensions in which settings are taken for alike."""

BANDS = 64
"""Of settings that are alike, in which the widest gap is looked for; they overlap."""


def point_in_widest_gap(coordinates: Coordinates, along: str, seen: Array, generator: np.random.Generator) -> Array:
    """The middle of the widest gap, in the unit cube, (dimensions,).

    Args:
        coordinates: the search space.
        along: the dimension that the gap is a stretch of: a range.
        seen: values of all points that were asked for, whatever came of them, (points, dimensions).
        generator: draws the bands that are looked at.
    """
    axis = list(coordinates.dimensions).index(along)
    bands = sobol_points(len(coordinates.dimensions), BANDS, generator)
    where = positions(coordinates, seen)[:, axis]
    starts, lengths = np.array([_widest(where[band]) for band in _alike(coordinates, axis, bands, seen)]).T
    widest = int(lengths.argmax())
    point = np.array(bands[widest])
    point[axis] = min(starts[widest] + lengths[widest] / 2, HIGHEST)
    return point


def _widest(where: Array) -> tuple[float, float]:
    """Where the widest gap between positions on [0, 1] and its ends begins, and its length."""
    marks = np.concatenate([[0.0], np.sort(where), [1.0]])
    gaps = np.diff(marks)
    return float(marks[gaps.argmax()]), float(gaps.max())


def _alike(coordinates: Coordinates, axis: int, bands: Array, seen: Array) -> Mask:
    """Which seen points belong to which band, (bands, points).

    Args:
        coordinates: the search space.
        axis: the number of the dimension that does not matter for that.
        bands: their middles in the unit cube, (bands, dimensions).
        seen: values, (points, dimensions).
    """
    middles, units = coordinates.values(bands), positions(coordinates, seen)
    others = [(number, dimension) for number, dimension in enumerate(coordinates.dimensions.values()) if number != axis]
    measured = sum(not _is_unordered(dimension) for _, dimension in others)
    width = ALIKE ** (1 / max(measured, 1))  # the more dimensions, the more of each: else nearly all bands are empty
    found = np.ones((len(bands), len(seen)), dtype=bool)
    for number, dimension in others:
        if isinstance(dimension, UnitRange):
            found &= _within(bands[:, number], units[:, number], width / 2)
        elif _is_unordered(dimension):
            found &= middles[:, None, number] == seen[None, :, number]
        else:
            ranks = [dimension.columns(values[:, number])[0] for values in (middles, seen)]
            step = 1 / (len(dimension.distribution.choices) - 1)
            found &= np.abs(ranks[0][:, None] - ranks[1]) <= max(step, width / 2) + 1e-9
    return found


def _within(middles: Array, where: Array, reach: float) -> Mask:
    """Which positions lie in windows of the same width, moved inwards at the ends: (windows, positions)."""
    inward = np.clip(middles, reach, 1 - reach)
    return np.asarray(np.abs(inward[:, None] - where) <= reach)


def _is_unordered(dimension: UnitRange | UnitChoice) -> bool:
    return isinstance(dimension, UnitChoice) and not are_ordered(dimension.distribution.choices)


def dimension_to_explore(coordinates: Coordinates, wanted: str | None, lengths: Array | None) -> str | None:
    """The dimension along which gaps are looked for; None if no range is known to be the one.

    Args:
        coordinates: the search space.
        wanted: its name, if somebody said; one that is not searched counts for nothing.
        lengths: over how far settings behave alike, one per coordinate of the model, if that is known.

    Raises:
        ValueError: if the wanted dimension is a choice.
    """
    if wanted in coordinates.dimensions and isinstance(coordinates.dimensions[wanted], UnitChoice):
        raise ValueError(f"BoundarySampler(along={wanted!r}): expected a range of numbers, got choices")
    for name in (wanted, LEARNING_RATE):
        if name is not None and isinstance(coordinates.dimensions.get(name), UnitRange):
            return name
    if lengths is None:
        return None
    own = iter(lengths)
    length_of: dict[str, float] = {}
    for name, dimension in coordinates.dimensions.items():
        first, *_ = [next(own) for _ in dimension.columns(np.zeros(1))]
        if isinstance(dimension, UnitRange):
            length_of[name] = first
    return min(length_of, key=lambda name: length_of[name], default=None)
