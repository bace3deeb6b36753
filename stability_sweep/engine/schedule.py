"""Optimizer and learning-rate schedule of a trial."""

from __future__ import annotations

import math

import torch
from torch import nn

from stability_sweep.engine.settings import TrainingConfig


def build_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """The optimizer that the settings name, fused: one pass over the parameters instead of one per operation."""
    parameters = list(model.parameters())
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=config.learning_rate,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            fused=True,
        )
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)


class LearningRateSchedule:
    """The learning rate of every step: linear warm-up, then constant, half a cosine to zero, or by plateau.

    The plateau rule: after `plateau_patience_steps` steps without a new lowest loss, multiply by `plateau_factor` and
    count anew. On top of that come two factors: after n rollbacks, `rollback_rate_factor` to the power of n; and, s
    steps after the one in which the last spike of the loss began, min(1, s / (`spike_restart_steps` + 1)): a second
    warm-up.
    """

    def __init__(self, config: TrainingConfig, horizon: int) -> None:
        self._config = config
        self._horizon = horizon
        self._plateau_scale = 1.0
        self._lowest_loss = math.inf
        self._steps_since_lowest = 0
        self._restarted_at: int | None = None
        self.rollbacks = 0
        """How often the run went back to earlier weights."""

    def rate(self, step: int) -> float:
        """Learning rate of a step (the first is 1)."""
        factor = self._config.rollback_rate_factor**self.rollbacks
        if self._restarted_at is not None:
            factor *= min(1.0, (step - self._restarted_at) / (self._config.spike_restart_steps + 1))
        return self._undisturbed_rate(step) * factor

    def restart(self, step: int) -> None:
        """Warm up again from the step after this one, in which a spike began."""
        self._restarted_at = step

    def roll_back(self) -> None:
        """Count a rollback."""
        self.rollbacks += 1

    def _undisturbed_rate(self, step: int) -> float:
        warmup = self._config.warmup_steps
        rate = self._config.learning_rate * min(1.0, step / (warmup + 1))
        if self._config.schedule == "cosine":
            share = max(0, step - 1 - warmup) / max(1, self._horizon - warmup)
            return rate * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
        return rate * self._plateau_scale

    def observe(self, loss: float) -> None:
        """Tell the schedule a step's loss; only the plateau rule listens."""
        if self._config.schedule != "plateau":
            return
        if loss < self._lowest_loss:
            self._lowest_loss, self._steps_since_lowest = loss, 0
            return
        self._steps_since_lowest += 1
        if self._steps_since_lowest >= self._config.plateau_patience_steps:
            self._plateau_scale *= self._config.plateau_factor
            self._steps_since_lowest = 0
