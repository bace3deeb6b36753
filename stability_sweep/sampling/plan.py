"""Points that follow from a trial's number alone.

Grid, Sobol' and random points depend on no result, so a trial can be born with its point: one transaction instead of
one per dimension, nothing to agree on between workers, and the same study whoever ran it. So can those trials of the
boundary sampler in which it explores.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from stability_sweep.definition import StudyDefinition
from stability_sweep.sampling.coordinates import Coordinates, only_value
from stability_sweep.sampling.exploration import is_explored, sobol_point
from stability_sweep.sampling.points import distributions, grid_values


def planned_params(definition: StudyDefinition, number: int) -> dict[str, Any] | None:
    """Optuna parameters of the trial of that number; None where the sampler looks at results first.

    Repeats of a point have neighbouring numbers: with three repeats, trials 0, 1 and 2 share the first point.
    """
    index = number // definition.budget.repeats
    if definition.sampler.name == "grid":
        return _grid_params(definition, index)
    space = distributions(definition)
    coordinates = Coordinates.of(space)
    dimensions = len(coordinates.axes)
    if definition.sampler.name == "qmc" or (definition.sampler.name == "boundary" and is_explored(index)):
        unit = sobol_point(dimensions, definition.sampler_seed, index)
    elif definition.sampler.name == "random":
        unit = np.random.default_rng([definition.sampler_seed, index]).random(dimensions)
    else:
        return None
    single = {name: only_value(distribution) for name, distribution in space.items() if distribution.single()}
    return single | coordinates.params_at(unit)


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
