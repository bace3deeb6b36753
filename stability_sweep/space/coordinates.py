"""Optuna's distributions as axes: from a position in the unit cube to a value, and to the model's coordinates.

Every dimension runs from 0 to 1 along its own axis, as in the report's surface: a logarithmic range in decades,
choices that are numbers by their place in the ascending list. Choices that are no numbers have a coordinate each. A
value that means "off" lies at the high end and has a coordinate of its own beside that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from stability_sweep.space.dimensions import are_ordered
from stability_sweep.space.off import OFF
from stability_sweep.typing import Array


@dataclass(frozen=True)
class RangeAxis:
    """A float or int distribution."""

    distribution: FloatDistribution | IntDistribution
    off_above: float = math.inf
    """All values above this mean the same."""

    def values(self, unit: Array) -> Array:
        """Values at positions in [0, 1)."""
        low, high, step = float(self.distribution.low), float(self.distribution.high), self.distribution.step
        if self.distribution.log:
            # A whole number owns half a unit on either side.
            margin = 0.5 if isinstance(self.distribution, IntDistribution) else 0.0
            values = np.exp(math.log(low - margin) + unit * (math.log(high + margin) - math.log(low - margin)))
        elif step is None:
            values = low + unit * (high - low)
        else:
            values = low + step * np.floor(unit * (math.floor((high - low) / step + 1e-9) + 1))
        if isinstance(self.distribution, IntDistribution):
            values = np.round(values)
        return np.clip(values, low, high)

    def columns(self, values: Array) -> list[Array]:
        """Coordinates of values, each (values,)."""
        low, high = float(self.distribution.low), min(float(self.distribution.high), self.off_above)
        is_off = values > self.off_above
        if self.distribution.log:
            along = (np.log(values.clip(1e-300)) - math.log(low)) / (math.log(high) - math.log(low))
        else:
            along = (values - low) / (high - low)
        if not math.isfinite(self.off_above):
            return [along]  # beyond [0, 1] for values of an older, wider range
        return [np.minimum(along, 1.0), is_off.astype(np.float64)]


@dataclass(frozen=True)
class ChoiceAxis:
    """A categorical distribution; its values are indices of choices."""

    distribution: CategoricalDistribution

    def values(self, unit: Array) -> Array:
        """Indices at positions in [0, 1)."""
        count = len(self.distribution.choices)
        return np.minimum(np.floor(unit * count), count - 1)

    def columns(self, values: Array) -> list[Array]:
        """Coordinates of indices, each (values,)."""
        choices = self.distribution.choices
        if not are_ordered(choices):
            return [(values == index).astype(np.float64) for index in range(len(choices))]
        numbers = [math.inf if choice == OFF else choice for choice in choices]
        places = np.argsort(np.argsort(np.array(numbers, dtype=np.float64))) / max(1, len(choices) - 1)
        columns = [places[values.astype(np.intp)]]
        if math.inf in numbers:
            columns.append((values == numbers.index(math.inf)).astype(np.float64))
        return columns


@dataclass(frozen=True)
class Coordinates:
    """A search space as the unit cube."""

    axes: dict[str, RangeAxis | ChoiceAxis]
    """Of the dimensions with more than one value."""

    @classmethod
    def of(cls, space: Mapping[str, BaseDistribution], off_above: Mapping[str, float] | None = None) -> Coordinates:
        """The coordinates of distributions, without those that have a single value."""
        return cls(
            {
                name: _axis(distribution, (off_above or {}).get(name, math.inf))
                for name, distribution in space.items()
                if not distribution.single()
            }
        )

    def internal(self, params: Mapping[str, Any]) -> list[float]:
        """Optuna's internal representation of a trial's parameters: one number per axis."""
        return [float(axis.distribution.to_internal_repr(params[name])) for name, axis in self.axes.items()]

    def values(self, units: Array) -> Array:
        """The values, (points, axes), at positions in the unit cube, (points, axes)."""
        return np.column_stack([axis.values(unit) for axis, unit in zip(self.axes.values(), units.T, strict=True)])

    def encode(self, values: Array) -> Array:
        """The model's coordinates, (points, coordinates), of values, (points, axes)."""
        return np.column_stack(
            [column for axis, own in zip(self.axes.values(), values.T, strict=True) for column in axis.columns(own)]
        )

    def params_at(self, unit: Array) -> dict[str, Any]:
        """Optuna's parameters at one position in the unit cube, (axes,)."""
        return self.params(self.values(unit[None, :])[0]) if self.axes else {}

    def params(self, values: Array) -> dict[str, Any]:
        """Optuna's parameters for one point's values, (axes,)."""
        return {
            name: axis.distribution.to_external_repr(float(value))
            for (name, axis), value in zip(self.axes.items(), values, strict=True)
        }


def only_value(distribution: BaseDistribution) -> Any:
    """The value of a distribution that has only one."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0]
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    return distribution.low


def _axis(distribution: BaseDistribution, off_above: float) -> RangeAxis | ChoiceAxis:
    if isinstance(distribution, CategoricalDistribution):
        return ChoiceAxis(distribution)
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    return RangeAxis(distribution, off_above)
