"""Optuna's samplers, set up so that any number of workers can share a study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState


class SeededByTrial(BaseSampler):
    """A sampler made anew for every trial, from the study's seed and the trial's number.

    Workers that share a seed would otherwise suggest the same points; and the point of a trial does not depend on
    which worker asked.
    """

    def __init__(self, seed: int, make: Callable[[int], BaseSampler]) -> None:
        self._seed = seed
        self._make = make
        self._current = make(seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Make the trial's own sampler."""
        sequence = np.random.SeedSequence(self._seed, spawn_key=(trial.number,))
        self._current = self._make(int(sequence.generate_state(1)[0]))
        self._current.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """As the trial's own sampler does."""
        return self._current.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As the trial's own sampler does."""
        return self._current.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """As the trial's own sampler does."""
        return self._current.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """As the trial's own sampler does."""
        self._current.after_trial(study, trial, state, values)
