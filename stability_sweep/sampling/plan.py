"""Points that follow from a trial's number alone.

Grid, Sobol' and random points depend on no result, so a trial can be born with its point: one transaction instead of
one per dimension, nothing to agree on between workers, and the same study whoever ran it.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from stability_sweep.definition import StudyDefinition
from stability_sweep.sampling.points import distributions, grid_values


def planned_params(definition: StudyDefinition, number: int) -> dict[str, Any] | None:
    """Optuna parameters of the trial of that number; None where the sampler looks at results first.

    Repeats of a point have neighbouring numbers: with three repeats, trials 0, 1 and 2 share the first point.
    """
    index = number // definition.budget.repeats
    if definition.sampler.name == "grid":
        return _grid_params(definition, index)
    space = distributions(definition)
    searched = [name for name, distribution in space.items() if not distribution.single()]
    if definition.sampler.name == "qmc":
        units = _sobol_point(len(searched), definition.sampler_seed, index)
    elif definition.sampler.name == "random":
        units = np.random.default_rng([definition.sampler_seed, index]).random(len(searched))
    else:
        return None
    position = dict(zip(searched, units, strict=True))
    return {name: _at(distribution, position.get(name, 0.0)) for name, distribution in space.items()}


def planned_trial(definition: StudyDefinition, number: int) -> FrozenTrial | None:
    """A running trial with its planned point, for `create_new_trial`; None where there is no plan."""
    params = planned_params(definition, number)
    if params is None:
        return None
    trial = optuna.trial.create_trial(state=TrialState.RUNNING, params=params, distributions=distributions(definition))
    trial.datetime_start = datetime.now()  # noqa: DTZ005  # Optuna keeps local time without a zone
    return trial


def _grid_params(definition: StudyDefinition, index: int) -> dict[str, Any]:
    """The points of a grid in an order drawn by the seed, so that a study cut short has seen all of the space."""
    values = grid_values(definition)
    order = np.random.default_rng(definition.sampler_seed).permutation(definition.grid_size)
    levels = np.unravel_index(order[index % len(order)], [len(levels) for levels in values.values()])
    return {name: values[name][level] for name, level in zip(values, levels, strict=True)}


def _sobol_point(dimensions: int, seed: int, index: int) -> np.ndarray[Any, Any]:
    """Point of that index of a scrambled Sobol' sequence in the unit cube, shape (dimensions,)."""
    if dimensions == 0:
        return np.zeros(0)
    from scipy.stats import qmc  # takes longer to import than most commands run

    sequence = qmc.Sobol(dimensions, scramble=True, rng=seed)
    if index:
        sequence.fast_forward(index)
    return np.asarray(sequence.random(1)[0])


def _at(distribution: BaseDistribution, unit: float) -> Any:
    """The value at a position in [0, 1) of a distribution's axis."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(unit * len(distribution.choices))]
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    # A whole number owns half a unit on either side.
    margin = 0.5 if isinstance(distribution, IntDistribution) else 0.0
    low, high = distribution.low - margin, distribution.high + margin
    if distribution.log:
        value = math.exp(math.log(low) + unit * (math.log(high) - math.log(low)))
    else:
        value = low + unit * (high - low)
    value = round(value) if isinstance(distribution, IntDistribution) else value
    return min(max(value, distribution.low), distribution.high)
