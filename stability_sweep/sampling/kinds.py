"""The kinds of samplers: for each what is planned, and Optuna's sampler for the rest.

Grid, Sobol' and random points depend on no result, so a trial can be born with its point: one transaction instead of
one per dimension, nothing to agree on between workers, and the same study whoever ran it. So can the first trials of
the boundary sampler.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.sampling.exploration import is_planned, sobol_point
from stability_sweep.space.coordinates import Coordinates, only_value
from stability_sweep.space.dimensions import Range
from stability_sweep.space.roles import LEARNING_RATE
from stability_sweep.typing import Array

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


class _Kind:
    """What most kinds have in common."""

    looks_at_results = False
    is_grid = False

    def planned_params(self, definition: StudyDefinition, index: int) -> dict[str, Any] | None:
        """A point of the unit cube as parameters."""
        distributions = definition.point_space.distributions
        coordinates = Coordinates.of(distributions)
        unit = self._unit(definition, index, len(coordinates.dimensions))
        if unit is None:
            return None
        single = {name: only_value(kind) for name, kind in distributions.items() if kind.single()}
        return single | coordinates.params_at(unit)

    def _unit(self, definition: StudyDefinition, index: int, dimensions: int) -> Array | None:
        """The planned point of an index in the unit cube, (dimensions,)."""
        raise NotImplementedError

    def build(self, definition: StudyDefinition) -> BaseSampler:
        """Where every point is planned Optuna's sampler is never asked for one."""
        from optuna.samplers import RandomSampler

        return RandomSampler(seed=definition.sampler_seed)


class _Qmc(_Kind):
    """A scrambled Sobol' sequence."""

    def _unit(self, definition: StudyDefinition, index: int, dimensions: int) -> Array | None:
        return sobol_point(dimensions, definition.sampler_seed, index)


class _Random(_Kind):
    """Independent uniform points."""

    def _unit(self, definition: StudyDefinition, index: int, dimensions: int) -> Array | None:
        return np.random.default_rng([definition.sampler_seed, index]).random(dimensions)


class _Grid(_Kind):
    """All combinations of levels, in an order drawn by the seed: a study cut short has seen all of the space."""

    is_grid = True

    def planned_params(self, definition: StudyDefinition, index: int) -> dict[str, Any] | None:
        """A cell of the grid."""
        values = definition.space.grid_values
        order = np.random.default_rng(definition.sampler_seed).permutation(definition.grid_size)
        levels = np.unravel_index(order[index % len(order)], [len(levels) for levels in values.values()])
        return {name: values[name][level] for name, level in zip(values, levels, strict=True)}


class _Boundary(_Kind):
    """Where a trial tells most about the 50% line."""

    looks_at_results = True

    def _unit(self, definition: StudyDefinition, index: int, dimensions: int) -> Array | None:
        return sobol_point(dimensions, definition.sampler_seed, index) if is_planned(index) else None

    def build(self, definition: StudyDefinition) -> BaseSampler:
        """Ours, with what a definition knows of its trials."""
        from stability_sweep.sampling.boundary import BoundarySampler

        return BoundarySampler(
            definition.sampler_seed,
            horizon=partial(_horizon_steps, definition),
            off_above=definition.space.off_above,
            repeats=definition.budget.repeats,
            failed_is_diverged=None,  # every divergence of ours is reported; a failure is the machine's fault, or ours
            along=_range_of_rates(definition),
        )


class _Tpe(_Kind):
    """Optuna's tree-structured Parzen estimator, which looks for the best value."""

    looks_at_results = True

    def _unit(self, definition: StudyDefinition, index: int, dimensions: int) -> Array | None:
        return None

    def build(self, definition: StudyDefinition) -> BaseSampler:
        """One that any number of workers can share."""
        from optuna.samplers import TPESampler

        from stability_sweep.sampling.seeded import SeededByTrial

        return SeededByTrial(definition.sampler_seed, lambda seed: TPESampler(seed=seed, constant_liar=True))


def _range_of_rates(definition: StudyDefinition) -> str | None:
    """The dimension with the role of the learning rate, if it is searched in a range."""
    name = definition.space.role(LEARNING_RATE)
    return name if name is not None and isinstance(definition.search_space[name], Range) else None


def _horizon_steps(definition: StudyDefinition, params: Mapping[str, Any]) -> int:
    return definition.at(definition.space.point_of(params)).horizon


BOUNDARY, QMC, RANDOM, GRID, TPE = _Boundary(), _Qmc(), _Random(), _Grid(), _Tpe()
