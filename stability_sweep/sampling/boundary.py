"""A sampler that walks the boundary between settings that diverge and settings that do not."""

from __future__ import annotations

import math
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

from stability_sweep.gaussian_process import (
    BinomialProcess,
    Cells,
    Matern52,
    cells_of,
    fit_binomial,
    learn_kernel,
)
from stability_sweep.sampling.acquisition import (
    Latent,
    expected_weight,
    latent_at,
    overall_share_of_chance,
    share_of_chance,
    worth_for_probability,
    worth_for_side,
)
from stability_sweep.sampling.evidence import Evidence, EvidenceReader, Horizon
from stability_sweep.sampling.exploration import is_explored, sobol_point
from stability_sweep.sampling.optuna_private import cached_trials
from stability_sweep.space.coordinates import Coordinates
from stability_sweep.typing import Array

CANDIDATES, REFINED_POINTS, REFINEMENTS = 512, 4, 32
"""Sobol' points that are looked at, and how many points near each of the best ones."""

REFINED_REACH = 0.03
"""How far those lie (a standard deviation) in the unit cube."""

MOST_CELLS = 512
"""What more trials say is pooled: an answer has to come within a fraction of a second."""

GROWTH = 1.1
"""The kernel is learned anew when there are so many times as many trials as at the last time."""

KERNEL_TRIALS = 300
"""The kernel is learned from at most so many of them: time grows with the cube."""

FEWEST_TRIALS, LEAST_WEIGHT = 8, 0.5
"""The model needs so many trials that count for at least so much."""

CHANCE, WORTH_REPEATING, NEIGHBOURS = 0.9, 0.95, 16
"""Where so much of what is unknown about an outcome is chance, one of the nearest tried points is repeated with another
seed instead of a new one, if it is worth that share of the new one."""

SOFT = 0.85
"""Where so much of what is unknown over the whole space is chance, every second question is about P(diverge) itself."""

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

    The first 16 trials, and one in eight later ones, are points of a scrambled Sobol' sequence. All others are the
    point at which a trial is worth most, under a Gaussian process that takes running trials for pending: mostly for the
    side of the line (`worth_for_side`), and on a soft boundary also for P(diverge) itself (`worth_for_probability`).

    Args:
        seed: of everything random; the same study asked by the same trial numbers gets the same points. None draws one.
        horizon: from a trial's parameters to the steps that it would run. Without it, the last step that any trial
            reported is taken for every trial's.
        off_above: by dimension, a value above which all values mean the same.
        repeats: trials that the study runs at every point, in a row; only the first of them is asked for a point.
        failed_is_diverged: True counts every failed trial as diverged: for objectives that return NaN or raise when
            they diverge. False guesses, as said above. None lets failed trials count for nothing at all: for studies
            that tell every divergence.
    """

    def __init__(
        self,
        seed: int | None = None,
        *,
        horizon: Horizon | None = None,
        off_above: Mapping[str, float] | None = None,
        repeats: int = 1,
        failed_is_diverged: bool | None = False,
    ) -> None:
        self._seed = int(np.random.SeedSequence(seed).generate_state(1)[0]) if seed is None else seed
        self._horizon = horizon
        self._off_above = dict(off_above or {})
        self._repeats = repeats
        self._failed_is_diverged = failed_is_diverged
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
        explored = coordinates.params_at(
            sobol_point(len(coordinates.dimensions), self._seed, trial.number // self._repeats)
        )
        if is_explored(trial.number // self._repeats):
            return explored
        with self._lock, threadpool_limits(1):  # on several threads, matrices of this size are slower
            trials = cached_trials(study)
            evidence = self._view_of(study, coordinates).reader.read(trials, leaving_out=trial.number)
            self._warn_of_guesses(evidence)
            if (evidence.weight >= LEAST_WEIGHT).sum() < FEWEST_TRIALS:
                return explored
            generator = np.random.default_rng([self._seed, trial.number])
            return coordinates.params(self._best(evidence, coordinates, generator))

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

    def _best(self, evidence: Evidence, coordinates: Coordinates, generator: np.random.Generator) -> Array:
        """The values, (dimensions,), of the point that is worth most."""
        assert self._view is not None
        process = _posterior(evidence, coordinates, self._view.kernel(evidence, coordinates, self._seed), self._seed)
        units = _sobol_points(len(coordinates.dimensions), CANDIDATES, generator)
        latent = latent_at(process, coordinates.encode(coordinates.values(units)))
        is_soft = overall_share_of_chance(latent) >= SOFT
        worth_of: Worth = worth_for_probability if is_soft and generator.random() < 0.5 else worth_for_side
        worth = worth_of(latent)
        best = units[np.argsort(-worth)[:REFINED_POINTS]].repeat(REFINEMENTS, axis=0)
        near = np.clip(best + REFINED_REACH * generator.standard_normal(best.shape), 0.0, 1.0 - 1e-9)
        values = coordinates.values(np.vstack([units, near]))
        worth = np.append(worth, worth_of(latent_at(process, coordinates.encode(values[len(units) :]))))
        chosen = values[worth.argmax()]
        return _repeated(process, evidence, coordinates, chosen, worth_of)


def _check_single_objective(study: Study) -> None:
    if len(study.directions) > 1:
        raise ValueError(f"BoundarySampler needs a study with one objective, got {len(study.directions)}")


@dataclass
class _View:
    """What a sampler remembers of one study and search space, so that it need not be computed at every trial."""

    key: tuple[str, str]
    reader: EvidenceReader
    kernels: dict[tuple[int, bool], Matern52] = field(default_factory=dict)
    """The newest, by the number of trials that it was learned from and whether some of them are guesses."""

    def kernel(self, evidence: Evidence, coordinates: Coordinates, seed: int) -> Matern52:
        """Learned from the first 8, 9, 10, 11, 13, ... trials, so that whoever asks comes to the same."""
        counts = evidence.weight >= LEAST_WEIGHT
        count = FEWEST_TRIALS
        while math.ceil(count * GROWTH) <= counts.sum():
            count = math.ceil(count * GROWTH)
        key = (count, evidence.guessed > 0)
        if key not in self.kernels:
            chosen = np.flatnonzero(counts)[:count]
            if count > KERNEL_TRIALS:
                chosen = np.random.default_rng(seed).choice(chosen, KERNEL_TRIALS, replace=False)
            points = coordinates.encode(evidence.values[chosen])
            self.kernels = {key: learn_kernel(points, evidence.diverged[chosen], np.ones(len(chosen)))}
        return self.kernels[key]


def _posterior(evidence: Evidence, coordinates: Coordinates, kernel: Matern52, seed: int) -> BinomialProcess:
    """The latent function after the finished trials, and as firmly held as the running ones will hold it."""

    def fit(cells: Cells) -> BinomialProcess:
        return fit_binomial(kernel, cells.points, cells.sums[:, 0], cells.sums[:, 1])

    running, lived = coordinates.encode(evidence.pending), evidence.pending_weight
    points = np.vstack([coordinates.encode(evidence.values), running])
    diverged = np.append(evidence.diverged * evidence.weight, np.zeros(len(lived)))
    counts = np.column_stack([diverged, np.append(evidence.weight, lived)])
    process = fit(cells_of(points, counts, fit, np.array(kernel.lengths), seed=seed, most=MOST_CELLS))
    for point, share in zip(running, lived, strict=True):
        process = process.expecting(point, (1.0 - share) * expected_weight(process, point))
    return process


def _repeated(
    process: BinomialProcess, evidence: Evidence, coordinates: Coordinates, chosen: Array, worth_of: Worth
) -> Array:
    """The values, (dimensions,), of a tried point near the chosen one where the outcome is chance; else of the chosen.

    Args:
        process: the latent function after the evidence.
        evidence: whose points have been tried.
        coordinates: the search space.
        chosen: values of the point that is worth most, (dimensions,).
        worth_of: what it is worth, from moments of the latent value.
    """
    tried = np.unique(evidence.values, axis=0)
    point = coordinates.encode(chosen[None, :])
    nearness = process.kernel(coordinates.encode(tried), point)[:, 0]
    tried = tried[np.argsort(-nearness)[:NEIGHBOURS]]
    latent = latent_at(process, coordinates.encode(tried))
    worth_there = np.where(share_of_chance(latent) >= CHANCE, worth_of(latent), 0.0)
    is_as_good = worth_there.max() >= WORTH_REPEATING * worth_of(latent_at(process, point))[0] > 0
    return tried[worth_there.argmax()] if is_as_good else chosen


def _sobol_points(dimensions: int, count: int, generator: np.random.Generator) -> Array:
    from scipy.stats import qmc  # takes longer to import than most commands run

    return np.asarray(qmc.Sobol(dimensions, rng=generator).random(count))
