"""Optuna's distributions as the unit cube: from a position in it to a value, and to the model's coordinates.

Every dimension runs from 0 to 1: a logarithmic range in decades, choices that are numbers by their rank. Choices that
are no numbers have a coordinate each. A value that means "off" lies at the high end and has a coordinate of its own
beside that. (How a figure shows a dimension is another matter: `space.axes`.)
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
class UnitRange:
    """A float or int distribution along one dimension of the unit cube."""

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
class UnitChoice:
    """A categorical distribution along one dimension of the unit cube; its values are indices of choices."""

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
        # The first argsort lists the choices in ascending order, the second says where in that list each one is.
        ranks = np.argsort(np.argsort(np.array(numbers, dtype=np.float64)))
        columns = [ranks[values.astype(np.intp)] / max(1, len(choices) - 1)]
        if math.inf in numbers:
            columns.append((values == numbers.index(math.inf)).astype(np.float64))
        return columns


@dataclass(frozen=True)
class Coordinates:
    """A search space as the unit cube."""

    dimensions: dict[str, UnitRange | UnitChoice]
    """Those dimensions that have more than one value."""

    @classmethod
    def of(cls, space: Mapping[str, BaseDistribution], off_above: Mapping[str, float] | None = None) -> Coordinates:
        """The coordinates of distributions, without those that have a single value."""
        return cls(
            {
                name: _along(distribution, (off_above or {}).get(name, math.inf))
                for name, distribution in space.items()
                if not distribution.single()
            }
        )

    def internal(self, params: Mapping[str, Any]) -> list[float]:
        """Optuna's internal representation of a trial's parameters: one number per dimension.

        Raises:
            KeyError: if a parameter is missing.
            ValueError: if one is not a choice of its distribution.
        """
        return [
            float(dimension.distribution.to_internal_repr(params[name])) for name, dimension in self.dimensions.items()
        ]

    def values(self, units: Array) -> Array:
        """The values, (points, dimensions), at positions in the unit cube, (points, dimensions)."""
        return np.column_stack(
            [dimension.values(unit) for dimension, unit in zip(self.dimensions.values(), units.T, strict=True)]
        )

    def encode(self, values: Array) -> Array:
        """The model's coordinates, (points, coordinates), of values, (points, dimensions)."""
        # A dimension may have several coordinates, so there are at least as many columns as dimensions, in their order.
        coordinates: list[Array] = []
        for dimension, own in zip(self.dimensions.values(), values.T, strict=True):
            coordinates += dimension.columns(own)
        return np.column_stack(coordinates)

    def params_at(self, unit: Array) -> dict[str, Any]:
        """Optuna's parameters at one position in the unit cube, (dimensions,)."""
        return self.params(self.values(unit[None, :])[0]) if self.dimensions else {}

    def params(self, values: Array) -> dict[str, Any]:
        """Optuna's parameters for one point's values, (dimensions,)."""
        return {
            name: dimension.distribution.to_external_repr(float(value))
            for (name, dimension), value in zip(self.dimensions.items(), values, strict=True)
        }


def only_value(distribution: BaseDistribution) -> Any:
    """The value of a distribution that has only one."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0]
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    return distribution.low


def _along(distribution: BaseDistribution, off_above: float) -> UnitRange | UnitChoice:
    if isinstance(distribution, CategoricalDistribution):
        return UnitChoice(distribution)
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    return UnitRange(distribution, off_above)
