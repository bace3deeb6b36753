"""Other rules for the next point, on the boundary sampler's own process: what its way of asking is worth.

Each starts with the same 16 Sobol' points, and has the same kernels and posterior; it explores nothing, and follows up
nothing. Both rules are usual ones for level sets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from stability_sweep.sampling import BoundarySampler
from stability_sweep.sampling.acquisition import Latent
from stability_sweep.sampling.belief import LearnedKernels, believe
from stability_sweep.sampling.evidence import EvidenceReader
from stability_sweep.sampling.exploration import is_planned, sobol_point, sobol_points
from stability_sweep.sampling.optuna_private import cached_trials
from stability_sweep.space.coordinates import Coordinates
from stability_sweep.typing import Array

CANDIDATES = 2048

Rule = Callable[[Latent], Array]


def least_sure_of_the_side(latent: Latent) -> Array:
    """The U rule: |m| / s is least (Echard, Gayton and Lemaire, Structural Safety 33, 2011)."""
    return np.asarray(-np.abs(latent.mean) / np.sqrt(latent.variance))


def straddle(latent: Latent) -> Array:
    """1.96 s - |m| is largest (Bryan et al., Active learning for identifying function threshold boundaries, 2005)."""
    return np.asarray(1.96 * np.sqrt(latent.variance) - np.abs(latent.mean))


class Entrant(BaseSampler):
    """What is the same in all of them: the space and independent dimensions are as in ours."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._ours = BoundarySampler(seed=seed)
        self._reader: EvidenceReader | None = None

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """As ours does."""
        return self._ours.infer_relative_search_space(study, trial)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """As ours does."""
        return self._ours.sample_independent(study, trial, param_name, param_distribution)


class RuleSampler(Entrant):
    """Asks for the one of 2,048 Sobol' points of which a rule thinks most."""

    def __init__(self, seed: int, rule: Rule) -> None:
        super().__init__(seed)
        self._rule = rule
        self._kernels = LearnedKernels()

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The next point."""
        if not search_space:
            return {}
        coordinates = Coordinates.of(search_space)
        if self._reader is None:  # one sampler serves one study here
            self._reader = EvidenceReader(coordinates, None)
        evidence = self._reader.read(cached_trials(study), leaving_out=trial.number)
        kernels = self._kernels.of(evidence, coordinates, self._seed)
        if is_planned(trial.number) or kernels is None:
            return coordinates.params_at(sobol_point(len(coordinates.dimensions), self._seed, trial.number))
        generator = np.random.default_rng([self._seed, trial.number])
        values = coordinates.values(sobol_points(len(coordinates.dimensions), CANDIDATES, generator))
        belief = believe(evidence, coordinates, kernels, self._seed)
        return coordinates.params(values[self._rule(belief.latent(coordinates.encode(values))).argmax()])
