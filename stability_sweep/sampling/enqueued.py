"""Trials that somebody asked for by Optuna's own `enqueue_trial`, wholly or in part."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.sampling.optuna_private import contains
from stability_sweep.sampling.plan import planned_params
from stability_sweep.space.dimensions import Range
from stability_sweep.space.off import OFF


class EnqueuedPointError(ValueError):
    """An enqueued trial asks for what the study does not search."""


def completed_params(definition: StudyDefinition, number: int, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Optuna's parameters of an enqueued trial: what it was enqueued with, and the plan of its number for the rest.

    "off" and infinity mean "off" here as everywhere. Where there is no plan, the sampler chooses the rest.

    Args:
        definition: of the study.
        number: of the trial.
        wanted: what it was enqueued with, by parameter; any may be missing.

    Raises:
        EnqueuedPointError: if a dimension or a value is not one of the study's.
    """
    space = definition.space.distributions
    fixed = dict(planned_params(definition, number) or {}) if len(wanted) < len(space) else {}
    for name, value in wanted.items():
        if name not in space:
            raise EnqueuedPointError(f"it was enqueued with {name!r}, but this study searches {', '.join(space)}")
        fixed[name] = _stored(definition, name, value)
        if not contains(space[name], fixed[name]):
            raise EnqueuedPointError(f"it was enqueued with {name} = {value!r}, which this study does not search")
    return fixed


def _stored(definition: StudyDefinition, name: str, value: Any) -> Any:
    """The parameter for a value: "off" is a position on a range's axis, and a listed text otherwise."""
    dimension = definition.search_space[name]
    means_off = value == OFF or (isinstance(value, float) and math.isinf(value) and value > 0)
    if not means_off:
        return value
    if isinstance(dimension, Range) and dimension.off_share and not definition.sampler.kind.is_grid:
        return dimension.upper_end
    return OFF
