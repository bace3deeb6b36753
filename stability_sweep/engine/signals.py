"""Series that an installed package adds to the telemetry of every training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from stability_sweep.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn


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
    """Signals with their meanings, and after them those that installed packages add."""
    return {**signals, **{name: extra.meaning for name, extra in extra_signals().items()}}
