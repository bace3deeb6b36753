"""Points that follow from a trial's number alone, and trials that are born with them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.errors import DefinitionError
from stability_sweep.space.dimensions import Point
from stability_sweep.space.parameters import suggest


def build_sampler(definition: StudyDefinition) -> BaseSampler:
    """Optuna's sampler that the definition names; where points are planned it is never asked for one."""
    return definition.sampler.kind.build(definition)


def planned_params(definition: StudyDefinition, number: int) -> dict[str, Any] | None:
    """Optuna parameters of the trial of that number; None where the sampler looks at results first.

    Repeats of a point have neighbouring numbers: with three repeats, trials 0, 1 and 2 share the first point. In a
    design the sampler plans the point only, and the number says which remedies are on.
    """
    point = definition.sampler.kind.planned_params(definition, definition.point_index(number))
    if definition.blocks is None:
        return point
    if point is None:
        raise DefinitionError(f"a design needs a sampler that plans its points: {definition.sampler.name!r} does not")
    params = {**point, **definition.blocks.params(number)}
    return {name: params[name] for name in definition.search_space}


def planned_trial(definition: StudyDefinition, number: int) -> FrozenTrial | None:
    """A running trial with its planned point, for `create_new_trial`; None where there is no plan."""
    params = planned_params(definition, number)
    if params is None:
        return None
    distributions = definition.space.distributions
    trial = optuna.trial.create_trial(state=TrialState.RUNNING, params=params, distributions=distributions)
    trial.datetime_start = datetime.now()  # noqa: DTZ005  # Optuna keeps local time without a zone
    return trial


def suggest_point(trial: optuna.Trial, definition: StudyDefinition) -> Point:
    """The trial's point: what it was given before (a repeat, a trial given back), or what the sampler suggests."""
    space = definition.space
    return {
        name: space[name].decode(suggest(trial, name, distribution))
        for name, distribution in space.distributions.items()
    }
