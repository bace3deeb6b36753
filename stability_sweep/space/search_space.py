"""A search space: the dimensions of a study, what they are for, and where a run without a search would stand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution

from stability_sweep.space.axes import Axis, axis_of
from stability_sweep.space.dimensions import Choices, Dimension, Point, Range, Value
from stability_sweep.space.off import OFF, is_off
from stability_sweep.space.parameters import distribution_of
from stability_sweep.space.roles import BATCH_SIZE, LEARNING_RATE, ROLES


@dataclass(frozen=True)
class SearchSpace(Mapping[str, Dimension]):
    """The dimensions by their names, in order."""

    dimensions: Mapping[str, Dimension]
    roles: Mapping[str, str] = field(default_factory=dict)
    """The dimension that has a role (`space.roles`), by the role; those that no dimension has are absent."""
    own: Mapping[str, Value | None] = field(default_factory=dict)
    """What a dimension would be if it were not searched; dimensions of which that cannot be said are absent."""
    baseline: Mapping[str, Value] = field(default_factory=dict)
    """Searched values at which the study's author wants the baseline (`space.standing`), "off" as infinity."""
    grid_levels: int | None = None
    """Values per range, where the study is a grid; None where it is none."""

    def __getitem__(self, name: str) -> Dimension:
        return self.dimensions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.dimensions)

    def __len__(self) -> int:
        return len(self.dimensions)

    def role(self, role: str) -> str | None:
        """The dimension that has a role; None if none has it."""
        name = self.roles.get(role)
        return name if name in self.dimensions else None

    def role_axis(self, role: str) -> Axis | None:
        """The axis of the dimension that has a role; None if none has it."""
        name = self.role(role)
        return None if name is None else self.axes[name]

    def searched_role_axis(self, role: str) -> Axis | None:
        """The same, where that dimension has more than one value."""
        return self.searched.get(self.role(role) or "")

    def contains(self, name: str, value: Value) -> bool:
        """Whether a value of a dimension is searched; "off" is infinity."""
        dimension = self[name]
        if isinstance(dimension, Choices):
            return value in dimension.grid(0)
        if not isinstance(value, (int, float)) or math.isnan(value):
            return False
        if math.isinf(value):
            return value > 0 and dimension.off_share > 0
        return dimension.low <= value <= dimension.high

    @property
    def core(self) -> tuple[str, ...]:
        """The dimensions that have a role, in the order in which they are shown."""
        return tuple(name for role in ROLES if (name := self.role(role)) is not None)

    @cached_property
    def axes(self) -> dict[str, Axis]:
        """The axis of every dimension."""
        return {name: axis_of(name, dimension) for name, dimension in self.dimensions.items()}

    @cached_property
    def searched(self) -> dict[str, Axis]:
        """The axes of the dimensions that have more than one value."""
        return {name: axis for name, axis in self.axes.items() if len(axis.labels) > 1}

    @property
    def remedies(self) -> list[str]:
        """The searched dimensions that list levels, but for learning rate and batch size: what a design tries."""
        smooth = {self.role(LEARNING_RATE), self.role(BATCH_SIZE)}
        return [name for name in self.searched if isinstance(self[name], Choices) and name not in smooth]

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The Optuna distribution of every dimension; of a grid they are all categorical."""
        if self.grid_levels is not None:
            return {name: CategoricalDistribution(values) for name, values in self.grid_values.items()}
        return {name: distribution_of(dimension) for name, dimension in self.dimensions.items()}

    @cached_property
    def grid_values(self) -> dict[str, list[Value]]:
        """The values of every dimension of a grid, "off" by name (infinity is no JSON)."""
        assert self.grid_levels is not None
        return {
            name: [OFF if is_off(value) else value for value in dimension.grid(self.grid_levels)]
            for name, dimension in self.dimensions.items()
        }

    @property
    def off_above(self) -> dict[str, float]:
        """Where the stretch of an axis that means "off" begins, for every range that can be off."""
        return {
            name: float(dimension.high)
            for name, dimension in self.dimensions.items()
            if isinstance(dimension, Range) and dimension.off_share
        }

    def point_of(self, params: Mapping[str, Any]) -> Point:
        """The point of a trial, from its stored Optuna parameters."""
        return {name: dimension.decode(params[name]) for name, dimension in self.items() if name in params}
