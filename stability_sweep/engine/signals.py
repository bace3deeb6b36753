"""Series beyond those of any training: of the remedies that are on, and of installed packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from stability_sweep.engine.settings import TrainingConfig
from stability_sweep.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn


REMEDY_SIGNALS: Mapping[str, str] = {
    "outlier": "1 where the gradient's norm was an outlier: the step was skipped, or its gradient scaled down",
    "adaptively_clipped": "share of the model's units (AGC) or parameters (AdaGC) whose gradient was scaled down",
    "rollbacks": "how often the run had gone back to earlier weights before the step",
    "step_learning_rate": "learning rate of the step",
}
"""What the remedies of ``[training]`` do, each with its meaning; only runs with the remedy have the series."""


def remedy_signals(config: TrainingConfig) -> tuple[str, ...]:
    """The series that a run with these settings has, in the order of the columns."""
    is_on = {
        "outlier": config.outlier_gradient != "keep",
        "adaptively_clipped": config.adaptive_clipping != "none",
        "rollbacks": config.rollback_allowance > 0,
        "step_learning_rate": config.rollback_allowance > 0 or config.spike_restart_steps > 0,
    }
    return tuple(name for name in REMEDY_SIGNALS if is_on[name])


class ExtraSignal(Protocol):
    """A series of its own; `EXTRA_SIGNALS` knows it by its name, which is that of its column."""

    @property
    def meaning(self) -> str:
        """What it says, in one line."""

    def measure(self, model: nn.Module, passes: Sequence[Any], loss_and_norm: Tensor) -> Tensor:
        """Its value at a step that was just made: a scalar on the model's device.

        It must not wait for the device (no ``item()``, no comparison in Python).

        Args:
            model: with the weights after the step.
            passes: the Trainable's forward passes, one per micro-batch.
            loss_and_norm: the step's loss, and its gradient's norm before clipping, (2,), float64.
        """


EXTRA_SIGNALS: Registry[ExtraSignal] = Registry("stability_sweep.signals", {})
"""None of our own: what every training has is in `results.telemetry`, a model's own series in its target."""


def extra_signals() -> dict[str, ExtraSignal]:
    """What the installed packages add, by name."""
    return {name: EXTRA_SIGNALS[name] for name in EXTRA_SIGNALS.names()}


def with_extra(signals: Mapping[str, str]) -> dict[str, str]:
    """Signals with their meanings, and after them those of remedies, and those that installed packages add."""
    return {**signals, **REMEDY_SIGNALS, **{name: extra.meaning for name, extra in extra_signals().items()}}
