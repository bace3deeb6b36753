"""What came of a trial: the frozen value objects that every other layer passes around.

Nothing here imports torch, Optuna or SQL, so that the report can be tested without training and the trainer
without a database.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from pydantic import Field


class Outcome(str, Enum):
    """The five ways in which a trial can end."""

    STABLE = "stable"
    """Finite to the horizon, and it learned."""
    STALLED = "stalled"
    """Finite to the horizon, but it hardly learned: stability that was bought by standing still."""
    EXPLODED = "exploded"
    """Finite at the horizon, but the loss, or the yardstick, ended above where it began."""
    DIVERGED = "diverged"
    """A loss or a gradient became NaN or infinite."""
    FAILED = "failed"
    """The machine's fault or ours (out of memory, bad data); never counted in a map."""


class Symptom(str, Enum):
    """Which quantity stopped being finite first, in the order in which the trainer looks."""

    NAN_LOSS = "nan_loss"
    INF_LOSS = "inf_loss"
    NAN_GRADIENT = "nan_gradient"
    INF_GRADIENT = "inf_gradient"

    @classmethod
    def of_loss(cls, loss: float) -> Symptom | None:
        """The symptom that a loss gives, or None if it is finite."""
        return _symptom(loss, cls.NAN_LOSS, cls.INF_LOSS)

    @classmethod
    def of_gradient(cls, gradient_norm: float) -> Symptom | None:
        """The symptom that a gradient's norm gives, or None if it is finite."""
        return _symptom(gradient_norm, cls.NAN_GRADIENT, cls.INF_GRADIENT)


def _symptom(value: float, nan: Symptom, infinite: Symptom) -> Symptom | None:
    if math.isnan(value):
        return nan
    return infinite if math.isinf(value) else None


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """Where a diverged trial broke."""

    step: int
    """The optimizer step (the first is 1) whose loss or gradient was not finite; its weights were never applied."""
    symptom: Annotated[Symptom, Field(alias="signal")]
    """What was not finite; files and other programs know it as ``signal``."""
    origin: str | None = None
    """The first tensor of the forward or backward pass that was not finite; None if the autopsy found none."""
    cause: str | None = None
    """None for a result without an autopsy."""

    def __post_init__(self) -> None:
        if self.step < 1:
            raise ValueError(f"a divergence step counts from 1, got {self.step}")


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """Everything that a trial leaves behind.

    Losses may be NaN or infinite: that is a result here. None means "never measured".
    """

    seed: int
    outcome: Outcome
    horizon: int
    """Optimizer steps that the trial would run if nothing happened."""
    steps: int = 0
    """Optimizer steps begun, the diverging one included: the time under observation of survival analysis."""
    divergence: Divergence | None = None
    first_loss: float | None = None
    """Loss of the first step, before any weight moved."""
    final_loss: float | None = None
    """Median of the last steps' losses (the window is part of the definition); of a diverged trial its last loss."""
    best_loss: float | None = None
    """Smallest finite loss of a step."""
    max_loss: float | None = None
    """Largest loss of a step; infinity counts, NaN does not."""
    validation_loss: float | None = None
    """The model's own evaluation on held-out data after the last step; None unless the horizon was reached."""
    yardstick: float | None = None
    """The held-out figure by which settings are ranked, lower is better; None unless the horizon was reached."""
    yardstick_at_start: float | None = None
    """The same of the model before its first step, with the same noise."""
    spikes: int | None = None
    """Explosions that came back: how often the loss left its usual range upwards and returned to it."""
    spike_height: float | None = None
    """How far the highest of them rose above the median of the losses before it; None without a spike."""
    wall_seconds: float = 0.0
    failure: str | None = None
    """One line that says why, for a failed trial."""

    def __post_init__(self) -> None:
        if (self.divergence is not None) != (self.outcome is Outcome.DIVERGED):
            raise ValueError(f"a {self.outcome.value} trial cannot have divergence={self.divergence}")
        if (self.failure is not None) != (self.outcome is Outcome.FAILED):
            raise ValueError(f"a {self.outcome.value} trial cannot have failure={self.failure!r}")
        if self.horizon < 1 or not 0 <= self.steps <= self.horizon:
            raise ValueError(f"expected 0 <= steps <= horizon, got steps={self.steps}, horizon={self.horizon}")
        if self.divergence is not None and self.divergence.step != self.steps:
            raise ValueError(f"diverged at step {self.divergence.step}, but {self.steps} steps were begun")


LOSS_FIELDS = (
    "first_loss",
    "final_loss",
    "best_loss",
    "max_loss",
    "validation_loss",
    "yardstick",
    "yardstick_at_start",
    "spike_height",
)
"""The fields of `TrialResult` that may be NaN or infinite."""


def judge_finite_run(first_loss: float, final_loss: float, *, stalled_below: float, exploded_above: float) -> Outcome:
    """Judge a run that stayed finite to its horizon.

    The gain is ``(first_loss - final_loss) / |first_loss|``; dividing by the magnitude keeps the sign right for
    losses below zero, which the RHVAE has (its log-determinant has no lower bound).

    Args:
        first_loss: loss before any weight moved.
        final_loss: loss at the end of the run.
        stalled_below: smallest gain (0.1 is ten percent) that counts as learning.
        exploded_above: the run exploded if its loss grew by more than this multiple of ``|first_loss|``.
    """
    scale = abs(first_loss) or 1.0
    gain = (first_loss - final_loss) / scale
    if gain < -exploded_above:
        return Outcome.EXPLODED
    return Outcome.STALLED if gain < stalled_below else Outcome.STABLE


def is_useful(yardstick: float | None, at_start: float | None) -> bool:
    """Whether held-out data bear out what the training loss says of a run that learned.

    Args:
        yardstick: after the last step; None where the target has none.
        at_start: before the first.

    Returns:
        False where the yardstick is not finite, or above what it was. A start that was not finite excuses nothing, and
        is no bar either.
    """
    if yardstick is None:
        return True
    if not math.isfinite(yardstick):
        return False
    return at_start is None or not math.isfinite(at_start) or yardstick <= at_start
