"""What the engine can train, step by step.

A Trainable builds its model from a seed and gives the losses of a batch. Signals and probes are optional: without
signals a run has the telemetry of any training, and without probes its autopsies stay empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from stability_sweep.engine.settings import OutcomeConfig, TrainingConfig
from stability_sweep.results.causes import CauseBook


class ForwardResult(Protocol):
    """What one evaluation of a model on one batch gives."""

    @property
    def losses(self) -> Tensor:
        """The loss of every example, (B,); a step's loss is their mean."""


Pass = TypeVar("Pass", bound=ForwardResult)
"""A Trainable's own kind of forward pass."""

PassIn = TypeVar("PassIn", bound=ForwardResult, contravariant=True)
"""The same, where it is only taken in."""

NamedTensors = Iterable[tuple[str, Tensor]]
"""Tensors with the names by which an autopsy tells about them, in the order in which they were computed."""

ModuleOutputs = Mapping[str, Sequence[NamedTensors]]
"""By child module of the model: for every call of it, the outputs of the modules inside it."""


class ModelSignals(Protocol[PassIn]):
    """Series that only this model has."""

    @property
    def names(self) -> Mapping[str, str]:
        """Every series of the telemetry with its meaning, the engine's own among them, in the order of the columns."""

    def measure(self, passes: Sequence[Sequence[PassIn]]) -> Mapping[str, Tensor]:
        """Its own series at n steps at once, each (n,): of every step its forward passes, one per micro-batch."""

    def elements(self, done: PassIn) -> int:
        """Roughly how many numbers a forward pass keeps in memory while it waits to be measured."""


class Probes(Protocol[Pass]):
    """Names for what a forward pass computes, so that an autopsy can say where it broke."""

    @property
    def causes(self) -> CauseBook:
        """From the name of the first non-finite tensor to the cause."""

    def inputs(self, done: Pass) -> NamedTensors:
        """What the pass was computed from: its batch and its noise, each called ``input...``."""

    def repeat(self, model: Any, done: Pass) -> Pass:
        """The same pass again, with the same batch and noise, changing nothing."""

    def in_order(self, model: Any, done: Pass, outputs: ModuleOutputs) -> NamedTensors:
        """Every tensor of a repeated pass, in the order of the computation; the losses come last."""


@runtime_checkable
class RemembersTraining(Protocol):
    """A model that keeps more of its training than parameters and buffers: a rollback takes that along."""

    def remembered_training(self) -> Any:
        """What it remembers now; further training leaves this object as it is."""

    def recall_training(self, remembered: Any) -> None:
        """Remember that instead."""


class Trainable(Protocol[Pass]):
    """What the engine can train."""

    @property
    def training(self) -> TrainingConfig:
        """How: the optimizer, its schedule, clipping, accumulation."""

    @property
    def outcome(self) -> OutcomeConfig:
        """Where the outcomes of finite runs begin and end."""

    @property
    def horizon(self) -> int:
        """Optimizer steps of a run to which nothing happens."""

    @property
    def device(self) -> torch.device:
        """Where the batches are, and the model is to be."""

    @property
    def signals(self) -> ModelSignals[Pass] | None:
        """Series of its own; None without any."""

    @property
    def probes(self) -> Probes[Pass] | None:
        """Names for its tensors; None without any."""

    @property
    def is_captured(self) -> bool:
        """Whether every step's tensors lie in the same memory, as under CUDA graphs, so that none may be kept."""

    def build(self, seed: int) -> nn.Module:
        """A model that follows from the seed alone, on the device; the global random state is left as it was."""

    def batches(self, seed: int) -> Iterator[Any]:
        """Batches without end, in an order that follows from the seed."""

    def forward(self, model: Any, batch: Any, noise: torch.Generator) -> Pass:
        """One evaluation in training mode, with all its noise from the generator."""

    def validate(self, model: Any, noise: torch.Generator) -> float | None:
        """The loss on held-out data, as the model's own evaluation has it; None if there is none.

        Args:
            model: in evaluation mode.
            noise: source of everything random.
        """

    def yardstick(self, model: Any, noise: torch.Generator) -> float | None:
        """The held-out figure by which settings are ranked, lower is better; None if there is none.

        It must mean the same at every batch size and learning rate, and for a model that was never trained: a run that
        ends with a larger one than it began with is not stable.

        Args:
            model: in evaluation mode.
            noise: source of everything random; the same numbers for the model as it was built, and as it ended.
        """
