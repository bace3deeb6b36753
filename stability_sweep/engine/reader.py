"""Reads the losses of a run from the device, in lots, and finds the step in which it broke."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic

import torch

from stability_sweep.engine.protocol import Pass
from stability_sweep.engine.step import Step
from stability_sweep.results.outcome import Symptom


class LossReader(Generic[Pass]):
    """The losses of a run as far as the host has seen them.

    Every reading makes the host wait for the device, so several steps are read at once; between readings a run that
    broke stands still.
    """

    def __init__(self) -> None:
        self.losses: list[float] = []
        self._unread: list[Step[Pass]] = []

    def add(self, step: Step[Pass]) -> None:
        """A step that was begun."""
        self._unread.append(step)

    def read(self, on_finite: Callable[[int, float], None]) -> tuple[Symptom, Step[Pass]] | None:
        """Judge the steps since the last reading, up to the first that broke.

        Args:
            on_finite: told the number and the loss of every finite step, in their order.

        Returns:
            The step that broke with its symptom; None if none did.
        """
        unread, self._unread = self._unread, []
        records = torch.stack([step.loss_and_norm for step in unread]).tolist()
        for step, (loss, norm) in zip(unread, records, strict=True):
            self.losses.append(loss)
            if symptom := Symptom.of_loss(loss) or Symptom.of_gradient(norm):
                return symptom, step
            on_finite(step.number, loss)
        return None
