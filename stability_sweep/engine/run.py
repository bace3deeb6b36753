"""What a training run tells while it goes on, and what it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from stability_sweep.results.autopsy import Autopsy
from stability_sweep.results.outcome import TrialResult
from stability_sweep.typing import Array


@dataclass(frozen=True)
class Progress:
    """How far a run is, after a finite step."""

    step: int
    horizon: int
    loss: float


@dataclass(frozen=True)
class BrokenStep:
    """The step in which a run diverged: all that is needed to repeat it."""

    model: nn.Module
    """With the last good weights."""
    passes: Sequence[Any]
    """The Trainable's forward passes, one per micro-batch; their batch and noise are the step's."""


@dataclass(frozen=True)
class TrainingRun:
    """A finished run: its result, its loss at every step, and how it broke."""

    result: TrialResult
    losses: Array
    """(steps,); the last may be NaN or infinite, and so may that of a step that the run went back from."""
    autopsy: Autopsy | None = None
    """Of a run that diverged."""
    broken_step: BrokenStep | None = None
    """Of a run that diverged."""
    rollbacks: int = 0
    """How often it went back to earlier weights."""


class StopTrainingError(Exception):
    """Raised by an observer to end a run without a result: the trial goes back to the queue."""
