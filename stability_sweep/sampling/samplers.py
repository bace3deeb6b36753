"""Optuna's samplers, set up so that any number of workers can share a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from stability_sweep.definition import StudyDefinition
from stability_sweep.sampling.boundary import BoundarySampler
from stability_sweep.sampling.points import off_above, point_of


def build_sampler(definition: StudyDefinition) -> BaseSampler:
    """The sampler that the definition names; where points are planned it is never asked for one."""
    seed = definition.sampler_seed
    if definition.sampler.name == "tpe":
        return _SeededByTrial(seed, lambda s: TPESampler(seed=s, constant_liar=True))
    if definition.sampler.name == "boundary":
        return BoundarySampler(
            seed,
            horizon=partial(_horizon_steps, definition),
            off_above=off_above(definition),
            repeats=definition.budget.repeats,
            failed_is_diverged=None,  # every divergence of ours is told; a failure is the machine's fault, or ours
        )
    return RandomSampler(seed=seed)


def _horizon_steps(definition: StudyDefinition, params: Mapping[str, Any]) -> int:
    config = definition.at(point_of(params, definition))
    return config.training.horizon(config.data.training_images)


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
