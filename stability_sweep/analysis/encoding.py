"""Where a trial lies in the space that the surface model sees.

Every searched dimension runs from 0 to 1 along its own axis: a logarithmic range in decades, choices that are numbers
by their place in the ascending list. "off" lies at the high end, and has a coordinate of its own, so that it may be
like strong values or not. Choices that are no numbers have a coordinate each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stability_sweep.analysis.axes import Axis, is_off, study_axes
from stability_sweep.definition import StudyDefinition
from stability_sweep.search_space import Choices

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Encoding:
    """The searched dimensions of a study (those with more than one value) as coordinates."""

    axes: tuple[Axis, ...]
    unordered: frozenset[str]
    """Dimensions whose choices are no numbers."""

    @classmethod
    def of(cls, definition: StudyDefinition) -> Encoding:
        """The encoding of a study's search space."""
        searched = searched_axes(definition)
        unordered = {
            name
            for name, dimension in definition.search_space.items()
            if isinstance(dimension, Choices) and not dimension.is_ordered
        }
        return cls(tuple(searched.values()), frozenset(unordered))

    @property
    def names(self) -> tuple[str, ...]:
        """The dimensions, in order."""
        return tuple(axis.name for axis in self.axes)

    def encode(self, points: pd.DataFrame) -> Array:
        """Coordinates of points, (points, coordinates); one column per dimension is read, others are ignored."""
        columns = [column for axis in self.axes for column in self._columns(axis, points[axis.name])]
        return np.column_stack(columns) if columns else np.zeros((len(points), 0))

    def _columns(self, axis: Axis, values: pd.Series[Any]) -> list[Array]:
        if axis.name in self.unordered:
            return [np.asarray(values == choice, dtype=np.float64) for choice in axis.values]
        if axis.values:
            place = {value: index / (len(axis.values) - 1) for index, value in enumerate(axis.values)}
            columns: list[Array] = [np.asarray(values.map(place), dtype=np.float64)]
            has_off = any(is_off(value) for value in axis.values)
        else:
            columns = [_along_range(axis, values.to_numpy(np.float64))]
            has_off = axis.has_off
        if has_off:
            columns.append(np.asarray(np.isinf(values.to_numpy(np.float64)), dtype=np.float64))
        return columns


def searched_axes(definition: StudyDefinition) -> dict[str, Axis]:
    """The axes of the dimensions that have more than one value."""
    return {name: axis for name, axis in study_axes(definition).items() if len(axis.labels) > 1}


def _along_range(axis: Axis, values: Array) -> Array:
    """Position in [0, 1] between the ends of a range; 1 for "off"."""
    low, high = axis.edges[0], axis.edges[-2] if axis.has_off else axis.edges[-1]
    with np.errstate(divide="ignore"):
        positions = np.log10(values) if axis.is_log else values
    return np.clip((positions - low) / (high - low), 0.0, 1.0)
