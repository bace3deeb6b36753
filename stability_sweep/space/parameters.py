"""Between Optuna's parameters and our dimensions.

One Optuna parameter per dimension, under the dimension's own name. On a range with "off", a parameter above `high`
means "off"; choices, and every dimension of a grid, are categorical.
"""

from __future__ import annotations

from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from stability_sweep.space.dimensions import Choices, Range


def distribution_of(dimension: Range | Choices) -> BaseDistribution:
    """The Optuna distribution of one dimension, unless the study is a grid."""
    if isinstance(dimension, Choices):
        return CategoricalDistribution(dimension.choices)
    if dimension.is_whole:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.upper_end, log=dimension.log)


def suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    """The trial's parameter: what it was given before (a repeat, a trial given back), or what the sampler suggests."""
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
    assert isinstance(distribution, FloatDistribution)
    return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
