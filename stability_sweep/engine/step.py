"""One optimizer step after another, without ever waiting for the device."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic

import torch
from torch import Tensor

from stability_sweep.engine.gradient import gradient_norm
from stability_sweep.engine.gradient_remedies import GradientRemedies
from stability_sweep.engine.protocol import Pass, RemembersTraining, Trainable
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
    remedies: Mapping[str, Tensor] = field(default_factory=dict)
    """What the remedies did, by `engine.signals.REMEDY_SIGNALS` (and ``clipped``): scalars; empty without any."""


@dataclass(frozen=True)
class Snapshot:
    """All that a step changes, but for the batches and the noise."""

    tensors: list[Tensor]
    """Copies of the parameters and buffers."""
    optimizer: dict[str, Any]
    remedies: GradientRemedies
    remembered: Any
    """What a model that `RemembersTraining` gave; None of others."""


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
        self._remedies = GradientRemedies(config)

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
        treated = self._remedies.treat(self._parameters, norm)
        loss_and_norm = torch.stack([total, norm.to(total.dtype)])
        torch.maximum(self._broken, (~loss_and_norm.isfinite()).any().to(self._broken.dtype), out=self._broken)
        rate = self.schedule.rate(number)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        # torch's fused optimizers leave everything as it is where this attribute is 1 (GradScaler sets it for the same
        # purpose): the check needs no answer from the device, and later steps of a broken run do nothing.
        is_left_out = self._broken
        if treated.skip is not None:
            is_left_out = torch.maximum(self._broken, treated.skip.to(self._broken.dtype))
        self._optimizer.found_inf = is_left_out
        self._optimizer.step()
        return Step(number, passes, loss_and_norm, treated.signals | self._schedule_signals(rate))

    def _schedule_signals(self, rate: float) -> dict[str, Tensor]:
        """Where what happens decides the learning rate: the rate of the step that was just made, and the rollbacks."""
        config, signals = self._trainable.training, {}
        if config.rollback_allowance or config.spike_restart_steps:
            signals["step_learning_rate"] = rate
        if config.rollback_allowance:
            signals["rollbacks"] = self.schedule.rollbacks
        return {
            name: torch.tensor(value, dtype=torch.float64, device=self._broken.device)
            for name, value in signals.items()
        }

    @torch.no_grad()
    def snapshot(self) -> Snapshot:
        """A copy of what the next steps will change."""
        return Snapshot(
            tensors=[tensor.clone() for tensor in self._tensors()],
            optimizer=copy.deepcopy(self._optimizer.state_dict()),
            remedies=copy.deepcopy(self._remedies),
            remembered=self.model.remembered_training() if isinstance(self.model, RemembersTraining) else None,
        )

    @torch.no_grad()
    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot, which stays as it is; batches and noise go on."""
        for tensor, copied in zip(self._tensors(), snapshot.tensors, strict=True):
            tensor.copy_(copied)
        # torch takes the tensors of a state as they are, and would go on to change them.
        self._optimizer.load_state_dict(copy.deepcopy(snapshot.optimizer))
        self._remedies = copy.deepcopy(snapshot.remedies)
        if isinstance(self.model, RemembersTraining):
            self.model.recall_training(snapshot.remembered)
        self._broken.zero_()

    def _tensors(self) -> list[Tensor]:
        return [*self.model.parameters(), *self.model.buffers()]
