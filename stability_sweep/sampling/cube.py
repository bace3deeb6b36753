"""From values back to the unit cube, in which points are moved about."""

from __future__ import annotations

import numpy as np

from stability_sweep.space.coordinates import Coordinates, UnitChoice, UnitRange
from stability_sweep.typing import Array

HIGHEST = 1.0 - 1e-9
"""The cube is open at its high end."""

GRID = np.linspace(0.0, HIGHEST, 2049)
"""Positions whose values are known; in between the inverse is interpolated."""


def positions(coordinates: Coordinates, values: Array) -> Array:
    """Positions in the unit cube, (points, dimensions), that have these values, (points, dimensions).

    A whole number or a choice owns a stretch of its axis; its position is somewhere inside. Values beyond a range (of
    an older, wider one) lie at its end.
    """
    columns = [_along(dimension, own) for dimension, own in zip(coordinates.dimensions.values(), values.T, strict=True)]
    return np.column_stack(columns)


def _along(dimension: UnitRange | UnitChoice, values: Array) -> Array:
    if isinstance(dimension, UnitChoice):
        return (values + 0.5) / len(dimension.distribution.choices)
    known = dimension.values(GRID)
    if dimension.distribution.log:
        known, values = np.log(known), np.log(np.maximum(values, known[0]))
    # The middle between the first and the last position with a value.
    first = np.interp(values, *_distinct(known, GRID, first=True))
    last = np.interp(values, *_distinct(known, GRID, first=False))
    return np.asarray((first + last) / 2)


def _distinct(known: Array, where: Array, *, first: bool) -> tuple[Array, Array]:
    """Ascending values, and the first or the last position of each."""
    rises = np.diff(known) > 0
    kept = np.append(True, rises) if first else np.append(rises, True)
    return known[kept], where[kept]


def reflected(units: Array) -> Array:
    """Positions that were moved out of the cube, by less than its width, and come back from its walls.

    Cut off, they would pile up on the ends of the axes.
    """
    return np.minimum(1.0 - np.abs(1.0 - np.abs(units)), HIGHEST)
