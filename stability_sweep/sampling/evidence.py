"""What the trials of any Optuna study say about divergence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.trial import FrozenTrial, TrialState

from stability_sweep.sampling.coordinates import Coordinates

Array = npt.NDArray[np.float64]

DIVERGED_CONSTRAINT = "diverged"
"""Optuna constraint of a trial: above zero (violated) if it diverged. Samplers that ignore pruned trials read it."""

FEW_SURVIVORS = 8
"""As long as there are fewer, a late divergence counts for less than an early one; see `_weights`."""

Horizon = Callable[[Mapping[str, Any]], float]
"""From a trial's Optuna parameters to the steps that it would run."""


@dataclass(frozen=True)
class Evidence:
    """The finished trials that have a place in a search space, and the places of those that run."""

    values: Array
    """(trials, axes)."""
    diverged: Array
    """1 or 0, (trials,)."""
    weight: Array
    """What a trial counts for, from 0 to 1; (trials,)."""
    pending: Array
    """(running trials, axes)."""
    pending_weight: Array
    """What those count for as survivors by now, from 0 to 1; (running trials,)."""


@dataclass(frozen=True)
class _Told:
    values: list[float]
    diverged: bool
    reached_horizon: bool
    """Otherwise all that is known of its life ends at the last step that it reported."""
    last_step: int | None
    horizon: float | None


class EvidenceReader:
    """Reads trials, and every finished one only once."""

    def __init__(self, coordinates: Coordinates, horizon: Horizon | None) -> None:
        self._coordinates = coordinates
        self._horizon = horizon
        self._known: dict[int, _Told | None] = {}

    def read(self, trials: Sequence[FrozenTrial], but: int) -> Evidence:
        """The evidence of trials, in the order of their numbers, leaving out the one with the number `but`."""
        finished, pending = [], []
        for trial in trials:
            if trial.state.is_finished():
                if trial.number not in self._known:
                    self._known[trial.number] = self._told(trial, has_diverged(trial))
                known = self._known[trial.number]
                if known is not None:
                    finished.append(known)
            elif trial.number != but and trial.state is TrialState.RUNNING:
                told = self._told(trial, diverged=False)
                if told is not None and not _has_bad_report(trial):
                    pending.append(told)
        weights = _weights([*finished, *pending])
        return Evidence(
            self._matrix(finished),
            np.array([float(trial.diverged) for trial in finished]),
            weights[: len(finished)],
            self._matrix(pending),
            weights[len(finished) :],
        )

    def _matrix(self, trials: list[_Told]) -> Array:
        rows = [trial.values for trial in trials]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self._coordinates.axes))

    def _values(self, trial: FrozenTrial) -> list[float] | None:
        try:
            return self._coordinates.internal(trial.params)
        except (KeyError, ValueError):  # a dimension is missing, or a choice that is no longer one
            return None

    def _told(self, trial: FrozenTrial, diverged: bool | None) -> _Told | None:
        values = self._values(trial)
        if diverged is None or values is None:
            return None
        reached_horizon = not diverged and trial.state is TrialState.COMPLETE
        horizon = self._horizon(trial.params) if self._horizon else None
        return _Told(values, diverged, reached_horizon, trial.last_step, horizon)


def has_diverged(trial: FrozenTrial) -> bool | None:
    """Whether a finished trial diverged; None if it says nothing about that.

    The constraint "diverged" decides where there is one. Otherwise: a value, or a last report, that is not finite is
    a divergence, and a finite one is none. A failed trial without a report counts for nothing.
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


def _weights(trials: Sequence[_Told]) -> Array:
    """What each trial counts for.

    One that a pruner stopped after half the horizon, or that has run so far and reports finite values, is half a
    survivor. As long as there are few survivors, one that diverged just before the horizon is half a divergence: the
    settings that survive lie near such trials, not near those that died at once. Once both sides are known, the line
    is placed better by outcomes alone.

    Where nobody says what the horizon is, it is the last step that any trial reported.
    """
    longest = max((trial.last_step or 0 for trial in trials), default=0)
    looks_at_time = sum(trial.reached_horizon for trial in trials) < FEW_SURVIVORS
    return np.array([_weight(trial, trial.horizon or longest, looks_at_time=looks_at_time) for trial in trials])


def _weight(trial: _Told, horizon: float, *, looks_at_time: bool) -> float:
    lived = min(trial.last_step / horizon, 1.0) if trial.last_step and horizon else None
    if trial.diverged:
        return 1.0 - lived / 2 if looks_at_time and lived is not None else 1.0
    return 1.0 if trial.reached_horizon else lived or 0.0
