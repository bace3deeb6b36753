"""Optuna's samplers, set up so that any number of workers can share a study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GridSampler, QMCSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from stability_sweep.definition import StudyDefinition
from stability_sweep.sampling.points import grid_values


def build_sampler(definition: StudyDefinition) -> BaseSampler:
    """The sampler that the definition names."""
    seed = definition.sampler_seed
    if definition.sampler.name == "grid":
        return _BudgetedGridSampler(grid_values(definition), seed=seed)
    if definition.sampler.name == "qmc":
        # Workers take turns on one scrambled Sobol' sequence, so they must agree on its seed.
        return QMCSampler(
            seed=seed,
            scramble=True,
            independent_sampler=_SeededByTrial(seed, lambda s: RandomSampler(seed=s)),
            warn_independent_sampling=False,
        )
    if definition.sampler.name == "tpe":
        return _SeededByTrial(seed, lambda s: TPESampler(seed=s, constant_liar=True))
    return _SeededByTrial(seed, lambda s: RandomSampler(seed=s))


def assign_grid_point(storage: BaseStorage, trial_id: int, definition: StudyDefinition, index: int) -> None:
    """Give a new trial the grid point of that index, before the sampler can choose one.

    Optuna's grid sampler may give one point to two workers that ask at the same time.
    """
    storage.set_trial_system_attr(trial_id, "search_space", grid_values(definition))
    storage.set_trial_system_attr(trial_id, "grid_id", index)


class _SeededByTrial(BaseSampler):
    """A sampler made anew for every trial, from the study's seed and the trial's number.

    Workers that share a seed would otherwise suggest the same points; and the point of a trial does not depend on
    which worker asked.
    """

    def __init__(self, seed: int, make: Callable[[int], BaseSampler]) -> None:
        self._seed = seed
        self._make = make
        self._current = make(seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        sequence = np.random.SeedSequence(self._seed, spawn_key=(trial.number,))
        self._current = self._make(int(sequence.generate_state(1)[0]))
        self._current.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._current.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._current.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._current.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self._current.after_trial(study, trial, state, values)


class _BudgetedGridSampler(GridSampler):
    """A grid that leaves the end of the study to the budget.

    Optuna's stops the study after its last point, which only works inside its own `optimize` loop.
    """

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        pass
