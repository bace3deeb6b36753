"""A sampler that walks the boundary between settings that diverge and settings that do not."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from stability_sweep.sampling.acquisition import (
    Latent,
    overall_share_of_chance,
    share_of_chance,
    worth_for_probability,
    worth_for_side,
)
from stability_sweep.sampling.belief import Belief, Kernels, LearnedKernels, believe
from stability_sweep.sampling.cube import reflected
from stability_sweep.sampling.evidence import Evidence, EvidenceReader, Horizon
from stability_sweep.sampling.exploration import is_explored, is_planned, sobol_point, sobol_points
from stability_sweep.sampling.gaps import dimension_to_explore, point_in_widest_gap
from stability_sweep.sampling.optuna_private import cached_trials
from stability_sweep.sampling.surprises import follows_up, place_beside, unanswered
from stability_sweep.space.coordinates import Coordinates
from stability_sweep.typing import Array

CANDIDATES, REFINED_POINTS, REFINEMENTS = 512, 4, 32
"""Sobol' points that are looked at, and how many points near each of the best ones."""

REFINED_REACH = 0.03
"""How far those lie (a standard deviation) in the unit cube."""

CHANCE, WORTH_REPEATING, NEIGHBOURS = 0.9, 0.95, 16
"""Where so much of what is unknown about an outcome is chance, one of the nearest tried points is repeated with another
seed instead of a new one, if it is worth that share of the new one."""

SOFT = 0.88
"""Where so much of what is unknown over the whole space is chance, every second question is about P(diverge) itself.
After 192 trials it had come to 0.86 on a sharp boundary, and to 0.93 on a soft one."""

GUESSING = (
    "BoundarySampler: {} trial(s) ended without a value and without a report, and none has told a divergence, so each "
    "is taken for half a divergence. If they diverged, say so: trial.report(loss, step) before the objective returns "
    'NaN; or trial.set_constraint("diverged", 1.0) and raise TrialPruned; or BoundarySampler(failed_is_diverged=True). '
    "If they crashed, all is well from the first divergence on that is told."
)

Worth = Callable[[Latent], Array]


class BoundarySampler(BaseSampler):
    """Asks where one more trial best tells on which side of the 50% line the search space lies.

    Works with any single-objective Optuna study. A trial diverged if its constraint ``"diverged"`` is above zero (as
    in studies of stability-sweep), or, without that, if its value or its last report is not finite. Dimensions that
    not every trial has are sampled at random, independently.

    An objective that returns NaN has told nothing: Optuna fails such a trial like one that ran out of memory. As long
    as nothing better is known, the sampler takes a failed trial for half a divergence, and warns once.

    The first 16 trials are points of a scrambled Sobol' sequence. Of the later ones, one in four goes into the widest
    gap (`gaps`), and at most one in four beside an outcome that nothing else let expect (`surprises`). All
    others are the point at which a trial is worth most, under Gaussian processes that take running trials for pending:
    mostly for the side of the line (`worth_for_side`), and on a soft boundary also for P(diverge) itself
    (`worth_for_probability`).

    Args:
        seed: of everything random; the same study asked by the same trial numbers gets the same points. None draws one.
        horizon: from a trial's parameters to the steps that it would run. Without it, the last step that any trial
            reported is taken for every trial's.
        off_above: by dimension, a value above which all values mean the same.
        repeats: trials that the study runs at every point, in a row; only the first of them is asked for a point.
        failed_is_diverged: True counts every failed trial as diverged: for objectives that return NaN or raise when
            they diverge. False guesses, as said above. None lets failed trials count for nothing but for a point
            that was seen, in no gap any more: for studies that tell every divergence.
        along: the dimension, a range, along which the widest gap is looked for: the one along which P(diverge) may pass
            one half more than once. None takes "learning_rate" if there is one, and otherwise the float or int
            dimension along which the model's length is shortest.
    """

    def __init__(
        self,
        seed: int | None = None,
        *,
        horizon: Horizon | None = None,
        off_above: Mapping[str, float] | None = None,
        repeats: int = 1,
        failed_is_diverged: bool | None = False,
        along: str | None = None,
    ) -> None:
        self._seed = int(np.random.SeedSequence(seed).generate_state(1)[0]) if seed is None else seed
        self._horizon = horizon
        self._off_above = dict(off_above or {})
        self._repeats = repeats
        self._failed_is_diverged = failed_is_diverged
        self._along = along
        self._has_warned = False
        self._independent = RandomSampler(seed=self._seed)
        self._lock = threading.Lock()  # `optimize(n_jobs=...)` asks from several threads
        self._view: _View | None = None

    def reseed_rng(self) -> None:
        """Draw other values for independent dimensions; all else follows from the seed and a trial's number."""
        self._independent.reseed_rng()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The newest distributions of the dimensions that all finished trials have (all running ones, before that)."""
        _check_single_objective(study)
        trials = cached_trials(study)
        known = [t for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED)] or [
            t for t in trials if t.state is TrialState.RUNNING and t.number != trial.number
        ]
        if not known:
            return {}
        shared = set.intersection(*(set(t.distributions) for t in known))
        return {
            name: distribution
            for name, distribution in sorted(known[-1].distributions.items())
            if name in shared and not distribution.single()
        }

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random value."""
        _check_single_objective(study)
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The next point."""
        _check_single_objective(study)
        if not search_space:
            return {}
        coordinates = Coordinates.of(search_space, self._off_above)
        index = trial.number // self._repeats
        if is_planned(index):
            return coordinates.params_at(sobol_point(len(coordinates.dimensions), self._seed, index))
        with self._lock, threadpool_limits(1):  # on several threads, matrices of this size are slower
            view = self._view_of(study, coordinates)
            evidence = view.reader.read(cached_trials(study), leaving_out=trial.number)
            self._warn_of_guesses(evidence)
            kernels = view.kernels.of(evidence, coordinates, self._seed)
            generator = np.random.default_rng([self._seed, trial.number])
            if is_explored(index):
                return self._unseen(evidence, coordinates, kernels, index, generator)
            if kernels is None:
                return coordinates.params_at(sobol_point(len(coordinates.dimensions), self._seed, index))
            belief = believe(evidence, coordinates, kernels, self._seed)
            return coordinates.params(_best(belief, evidence, coordinates, generator, may_follow_up=follows_up(index)))

    def _unseen(
        self,
        evidence: Evidence,
        coordinates: Coordinates,
        kernels: Kernels | None,
        index: int,
        generator: np.random.Generator,
    ) -> dict[str, Any]:
        """The point in the widest gap; a Sobol' point where there is no range to look along.

        Args:
            evidence: whose points have been seen.
            coordinates: the search space.
            kernels: the likeliest first; None while there is no model.
            index: of the point.
            generator: draws the bands that are looked at.
        """
        lengths = None if kernels is None else np.array(kernels[0][1].lengths)
        along = dimension_to_explore(coordinates, self._along, lengths)
        if along is None:
            return coordinates.params_at(sobol_point(len(coordinates.dimensions), self._seed, index))
        seen = np.vstack([evidence.values, evidence.pending, evidence.crashed])
        return coordinates.params_at(point_in_widest_gap(coordinates, along, seen, generator))

    def _view_of(self, study: Study, coordinates: Coordinates) -> _View:
        key = (study.study_name, repr(coordinates))  # Optuna's ids are the same in all in-memory storages
        if self._view is None or self._view.key != key:
            reader = EvidenceReader(coordinates, self._horizon, failed_is_diverged=self._failed_is_diverged)
            self._view = _View(key, reader)
        return self._view

    def _warn_of_guesses(self, evidence: Evidence) -> None:
        """Once, if trials end without a word and none has told a divergence: they may all be divergences."""
        if evidence.guessed and not self._has_warned:
            self._has_warned = True
            warnings.warn(GUESSING.format(evidence.guessed), stacklevel=2)


def _best(
    belief: Belief, evidence: Evidence, coordinates: Coordinates, generator: np.random.Generator, *, may_follow_up: bool
) -> Array:
    """The values, (dimensions,), of the point that is worth most.

    Args:
        belief: after the evidence.
        evidence: whose points have been tried.
        coordinates: the search space.
        generator: draws the places that are looked at.
        may_follow_up: whether a surprise without an answer comes first.
    """
    surprise = unanswered(belief) if may_follow_up else None
    if surprise is not None:
        tried = coordinates.encode(evidence.values)
        nearest = evidence.values[np.linalg.norm(tried - surprise, axis=1).argmin()]
        return place_beside(coordinates, nearest, generator)
    units = sobol_points(len(coordinates.dimensions), CANDIDATES, generator)
    latent = belief.latent(coordinates.encode(coordinates.values(units)))
    is_soft = overall_share_of_chance(latent) >= SOFT
    worth_of: Worth = worth_for_probability if is_soft and generator.random() < 0.5 else worth_for_side
    worth = worth_of(latent)
    best = units[np.argsort(-worth)[:REFINED_POINTS]].repeat(REFINEMENTS, axis=0)
    near = reflected(best + REFINED_REACH * generator.standard_normal(best.shape))
    values = coordinates.values(np.vstack([units, near]))
    worth = np.append(worth, worth_of(belief.latent(coordinates.encode(values[len(units) :]))))
    return _repeated(belief, evidence, coordinates, values[worth.argmax()], worth_of)


def _check_single_objective(study: Study) -> None:
    if len(study.directions) > 1:
        raise ValueError(f"BoundarySampler needs a study with one objective, got {len(study.directions)}")


@dataclass
class _View:
    """What a sampler remembers of one study and search space, so that it need not be computed at every trial."""

    key: tuple[str, str]
    reader: EvidenceReader
    kernels: LearnedKernels = field(default_factory=LearnedKernels)


def _repeated(belief: Belief, evidence: Evidence, coordinates: Coordinates, chosen: Array, worth_of: Worth) -> Array:
    """The values, (dimensions,), of a tried point near the chosen one where the outcome is chance; else of the chosen.

    Args:
        belief: after the evidence.
        evidence: whose points have been tried.
        coordinates: the search space.
        chosen: values of the point that is worth most, (dimensions,).
        worth_of: what it is worth, from moments of the latent value.
    """
    tried = np.unique(evidence.values, axis=0)
    point = coordinates.encode(chosen[None, :])
    nearness = belief.kernel(coordinates.encode(tried), point)[:, 0]
    tried = tried[np.argsort(-nearness)[:NEIGHBOURS]]
    latent = belief.latent(coordinates.encode(tried))
    worth_there = np.where(share_of_chance(latent) >= CHANCE, worth_of(latent), 0.0)
    is_as_good = worth_there.max() >= WORTH_REPEATING * worth_of(belief.latent(point))[0] > 0
    return tried[worth_there.argmax()] if is_as_good else chosen
