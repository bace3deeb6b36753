"""Between Optuna's parameters and our points.

One Optuna parameter per dimension, under the dimension's own name. On a range with "off", a parameter above `high`
means "off"; choices, and every dimension of a grid, are categorical.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from stability_sweep.definition import StudyDefinition
from stability_sweep.search_space import OFF, Choices, Point, Range, Value


def suggest_point(trial: optuna.Trial, definition: StudyDefinition) -> Point:
    """The trial's point: what it was given before (a repeat, a trial given back), or what the sampler suggests."""
    return {
        name: definition.search_space[name].decode(_suggest(trial, name, distribution))
        for name, distribution in distributions(definition).items()
    }


def point_of(params: Mapping[str, Any], definition: StudyDefinition) -> Point:
    """The point of a finished trial, from its stored Optuna parameters."""
    return {
        name: dimension.decode(params[name]) for name, dimension in definition.search_space.items() if name in params
    }


def grid_values(definition: StudyDefinition) -> dict[str, list[Value]]:
    """The values of every dimension of a grid study, "off" by name (infinity is no JSON)."""
    return {
        name: [OFF if value == math.inf else value for value in dimension.grid(definition.sampler.grid_levels)]
        for name, dimension in definition.search_space.items()
    }


def distributions(definition: StudyDefinition) -> dict[str, BaseDistribution]:
    """The Optuna distribution of every dimension."""
    if definition.sampler.name == "grid":
        return {name: CategoricalDistribution(values) for name, values in grid_values(definition).items()}
    return {name: distribution_of(dimension) for name, dimension in definition.search_space.items()}


def off_above(definition: StudyDefinition) -> dict[str, float]:
    """Where the stretch of an axis that means "off" begins, for every range that can be off."""
    return {
        name: float(dimension.high)
        for name, dimension in definition.search_space.items()
        if isinstance(dimension, Range) and dimension.off_share
    }


def distribution_of(dimension: Range | Choices) -> BaseDistribution:
    """The Optuna distribution of one dimension, unless the study is a grid."""
    if isinstance(dimension, Choices):
        return CategoricalDistribution(dimension.choices)
    if isinstance(dimension.low, int) and isinstance(dimension.high, int) and not dimension.off_share:
        return IntDistribution(dimension.low, dimension.high, log=dimension.log)
    return FloatDistribution(dimension.low, dimension.upper_end, log=dimension.log)


def _suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
    assert isinstance(distribution, FloatDistribution)
    return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
