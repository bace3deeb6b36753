"""One optimizer step after another, without ever waiting for the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic

import torch
from torch import Tensor

from stability_sweep.engine.gradient import gradient_norm, scale_gradient
from stability_sweep.engine.protocol import Pass, Trainable
from stability_sweep.engine.schedule import LearningRateSchedule, build_optimizer
from stability_sweep.engine.seeds import TrialSeeds


@dataclass(frozen=True)
class Step(Generic[Pass]):
    """A step whose loss the host has not seen yet."""

    number: int
    passes: list[Pass]
    """One per micro-batch."""
    loss_and_norm: Tensor
    """The loss and the norm of the gradient before clipping, (2,), float64."""


class Stepper(Generic[Pass]):
    """A model with its optimizer, its batches and its noise."""

    def __init__(self, trainable: Trainable[Pass], seeds: TrialSeeds) -> None:
        self._trainable = trainable
        config, device = trainable.training, trainable.device
        self.model = trainable.build(seeds.initialization)
        self._parameters = list(self.model.parameters())
        self._optimizer: Any = build_optimizer(self.model, config)
        self.schedule = LearningRateSchedule(config, trainable.horizon)
        self._noise = torch.Generator(device).manual_seed(seeds.noise)
        self._batches = trainable.batches(seeds.order)
        self._broken = torch.zeros((), device=device)

    def step(self, number: int) -> Step[Pass]:
        """One step; once a loss or a gradient is not finite, the weights stay as they are."""
        config = self._trainable.training
        self._optimizer.zero_grad(set_to_none=True)
        total = torch.zeros_like(self._broken, dtype=torch.float64)
        passes = []
        for _ in range(config.accumulation_steps):
            done = self._trainable.forward(self.model, next(self._batches), self._noise)
            loss = done.losses.mean() / config.accumulation_steps
            loss.backward()
            total += loss.detach()
            passes.append(done)
        norm = gradient_norm(self._parameters)
        scale_gradient(self._parameters, norm, config.clip_norm)
        loss_and_norm = torch.stack([total, norm.to(total.dtype)])
        torch.maximum(self._broken, (~loss_and_norm.isfinite()).any().to(self._broken.dtype), out=self._broken)
        for group in self._optimizer.param_groups:
            group["lr"] = self.schedule.rate(number)
        # torch's fused optimizers leave everything as it is where this attribute is 1 (GradScaler sets it for the same
        # purpose): the check needs no answer from the device, and later steps of a broken run do nothing.
        self._optimizer.found_inf = self._broken
        self._optimizer.step()
        return Step(number, passes, loss_and_norm)
