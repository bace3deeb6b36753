"""What the trials of any Optuna study say about divergence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from stability_sweep.space.coordinates import Coordinates
from stability_sweep.typing import Array

DIVERGED_CONSTRAINT = "diverged"
"""Optuna constraint of a trial: above zero (violated) if it diverged. Samplers that ignore pruned trials read it."""

FEW_SURVIVORS = 8
"""As long as there are fewer, a late divergence counts for less than an early one; see `_weights`."""

GUESSED_WEIGHT = 0.5
"""What a silent trial counts for as a divergence while no trial of its study has told one; see `EvidenceReader`."""

Horizon = Callable[[Mapping[str, Any]], float]
"""From a trial's Optuna parameters to the steps that it would run."""


@dataclass(frozen=True)
class Evidence:
    """The finished trials that have a point in a search space, and the points of those that have no outcome (yet)."""

    values: Array
    """(trials, dimensions)."""
    diverged: Array
    """1 or 0, (trials,)."""
    weight: Array
    """What a trial counts for, from 0 to 1; (trials,)."""
    pending: Array
    """Of running trials, and of those that ended without an outcome; (trials, dimensions)."""
    pending_weight: Array
    """What those count for as survivors by now, from 0 to 1; (trials,)."""
    crashed: Array
    """Of failed trials that say nothing, not even to the model that their point was tried; (trials, dimensions)."""
    guessed: int
    """How many of the finished trials were silent and are taken for divergences by `GUESSED_WEIGHT`."""


@dataclass(frozen=True)
class _Observation:
    """What one trial says about its point."""

    values: list[float]
    diverged: bool
    reached_horizon: bool
    """Otherwise all that is known of its life ends at the last step that it reported."""
    last_step: int | None
    horizon: float | None
    is_silent: bool = False
    """Whether it ended without an outcome: then `diverged` is a guess."""


class EvidenceReader:
    """Reads trials, and every finished one only once.

    A *silent* trial ended without a word about divergence: it failed (in Optuna, an objective that returns NaN fails
    just as one that runs out of memory does), or was pruned without a report. Left out, it would leave its point
    unexplored however often it was tried, and a sampler would be drawn to where trials vanish. So:

    - As long as no trial of the study has told a divergence, the objective may not know how to: a silent trial is half
      a divergence. A few crashes that are scattered over the space hardly move a line that way.
    - From the first told divergence on, a silent trial is a crash. It says nothing about the side of its point, but the
      point counts as tried, like that of a running trial.

    Measured on a known line in two dimensions (`tests/sampling/test_silent_trials.py`): either rule alone is worse, the
    first where a region crashes, the second where all divergences are silent.

    Args:
        coordinates: the search space.
        horizon: from a trial's parameters to its steps; None if nobody says.
        failed_is_diverged: True takes every failed trial for a divergence; None keeps silent trials from the
            model altogether: not even their points count as tried (in studies that tell every divergence).
    """

    def __init__(
        self, coordinates: Coordinates, horizon: Horizon | None, *, failed_is_diverged: bool | None = False
    ) -> None:
        self._coordinates = coordinates
        self._horizon = horizon
        self._failed_is_diverged = failed_is_diverged
        self._known: dict[int, _Observation | None] = {}

    def read(self, trials: Sequence[FrozenTrial], leaving_out: int) -> Evidence:
        """The evidence of trials, in the order of their numbers, but for the one whose number is to be left out."""
        finished, pending = [], []
        for trial in trials:
            if trial.state.is_finished():
                if trial.number not in self._known:
                    self._known[trial.number] = self._finished(trial)
                known = self._known[trial.number]
                if known is not None:
                    finished.append(known)
            elif trial.number != leaving_out and trial.state is TrialState.RUNNING:
                observed = self._observation(trial, diverged=False)
                if observed is not None and not _has_bad_report(trial):
                    pending.append(observed)
        silent = [trial for trial in finished if trial.is_silent]
        crashed: list[_Observation] = []
        if self._failed_is_diverged is None or any(trial.diverged and not trial.is_silent for trial in finished):
            # Somebody tells divergences, so who is silent has crashed: from a guess to a point that was tried.
            finished = [trial for trial in finished if not trial.is_silent]
            crashed, silent = silent, []
        if self._failed_is_diverged is not None:
            pending += [replace(trial, diverged=False, last_step=None, is_silent=False) for trial in crashed]
            crashed = []
        weights = _weights([*finished, *pending])
        return Evidence(
            self._matrix(finished),
            np.array([float(trial.diverged) for trial in finished]),
            weights[: len(finished)],
            self._matrix(pending),
            weights[len(finished) :],
            self._matrix(crashed),
            guessed=len(silent),
        )

    def _matrix(self, trials: list[_Observation]) -> Array:
        rows = [trial.values for trial in trials]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self._coordinates.dimensions))

    def _values(self, trial: FrozenTrial) -> list[float] | None:
        try:
            return self._coordinates.internal(trial.params)
        except (KeyError, ValueError):  # a dimension is missing, or a choice that is no longer one
            return None

    def _finished(self, trial: FrozenTrial) -> _Observation | None:
        """What a finished trial says; None if nothing, or of a point that is not in this search space."""
        diverged = has_diverged(trial)
        if diverged is not None:
            return self._observation(trial, diverged)
        observed = self._observation(trial, diverged=True)
        if observed is None or (self._failed_is_diverged and trial.state is TrialState.FAIL):
            return observed
        return replace(observed, is_silent=True)

    def _observation(self, trial: FrozenTrial, diverged: bool) -> _Observation | None:
        values = self._values(trial)
        if values is None:
            return None
        reached_horizon = not diverged and trial.state is TrialState.COMPLETE
        horizon = self._horizon(trial.params) if self._horizon else None
        return _Observation(values, diverged, reached_horizon, trial.last_step, horizon)


def has_diverged(trial: FrozenTrial) -> bool | None:
    """Whether a finished trial diverged; None if it says nothing about that.

    The constraint "diverged" decides where there is one. Otherwise: a value, or a last report, that is not finite is
    a divergence, and a finite one is none. A failed trial whose last report is finite says nothing, and no trial does
    that was pruned without a report.
    """
    constraint = trial.constraints.get(DIVERGED_CONSTRAINT)
    if constraint is not None:
        return constraint > 0
    if trial.state is TrialState.COMPLETE:
        return not all(math.isfinite(value) for value in trial.values)
    if _has_bad_report(trial):
        return True
    return False if trial.state is TrialState.PRUNED and trial.last_step is not None else None


def _has_bad_report(trial: FrozenTrial) -> bool:
    """Whether the last value that a trial reported is not finite."""
    return trial.last_step is not None and not math.isfinite(trial.intermediate_values[trial.last_step])


def _weights(trials: Sequence[_Observation]) -> Array:
    """What each trial counts for.

    One that a pruner stopped after half the horizon, or that has run so far and reports finite values, is half a
    survivor. As long as there are few survivors, one that diverged just before the horizon is half a divergence: the
    settings that survive lie near such trials, not near those that died at once. Once both sides are known, the line
    is found better by outcomes alone.

    Where nobody says what the horizon is, it is the last step that any trial reported.
    """
    longest = max((trial.last_step or 0 for trial in trials), default=0)
    looks_at_time = sum(trial.reached_horizon for trial in trials) < FEW_SURVIVORS
    return np.array([_weight(trial, trial.horizon or longest, looks_at_time=looks_at_time) for trial in trials])


def _weight(trial: _Observation, horizon: float, *, looks_at_time: bool) -> float:
    if trial.is_silent:
        return GUESSED_WEIGHT
    lived = min(trial.last_step / horizon, 1.0) if trial.last_step and horizon else None
    if trial.diverged:
        return 1.0 - lived / 2 if looks_at_time and lived is not None else 1.0
    return 1.0 if trial.reached_horizon else lived or 0.0
