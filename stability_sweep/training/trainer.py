"""One training run, stopped in the very step in which a loss or a gradient is not finite."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stability_sweep.autopsy import Autopsy
from stability_sweep.configs import TrialConfig
from stability_sweep.data.images import Images
from stability_sweep.errors import DefinitionError
from stability_sweep.models import RHVAE, ForwardPass
from stability_sweep.outcome import Divergence, Signal, TrialResult
from stability_sweep.training.autopsy import examine
from stability_sweep.training.gradient import gradient_norm, scale_gradient
from stability_sweep.training.result import judge
from stability_sweep.training.schedule import LearningRateSchedule, build_optimizer
from stability_sweep.training.seeds import TrialSeeds
from stability_sweep.training.telemetry import STEPS_AT_ONCE, TelemetryRecorder

ACCELERATOR_READ_EVERY_STEPS = 16
"""Every reading makes the host wait for the device; between readings a run that broke stands still."""

VALIDATION_BATCH_IMAGES = 250
"""Evaluation does not couple images, so this only bounds memory."""


@dataclass(frozen=True)
class Progress:
    """How far a run is, after a finite step."""

    step: int
    horizon: int
    loss: float


@dataclass(frozen=True)
class BrokenStep:
    """The step in which a run diverged: all that is needed to repeat it."""

    model: RHVAE
    """With the last good weights."""
    passes: list[ForwardPass]
    """One per micro-batch; their images and noise are the step's."""


@dataclass(frozen=True)
class TrainingRun:
    """A finished run: its result, its loss at every step, and how it broke."""

    result: TrialResult
    losses: NDArray[np.float64]
    """(steps,); the last may be NaN or infinite."""
    autopsy: Autopsy | None = None
    """Of a run that diverged."""
    broken_step: BrokenStep | None = None
    """Of a run that diverged."""


class StopTrainingError(Exception):
    """Raised by an observer to end a run without a result: the trial goes back to the queue."""


def train(
    config: TrialConfig,
    images: Images,
    *,
    seed: int,
    on_step: Callable[[Progress], None] | None = None,
    read_every_steps: int | None = None,
    recorder: TelemetryRecorder | None = None,
) -> TrainingRun:
    """Train one model from its seed to its horizon, or to the step in which it diverges.

    Args:
        config: the trial's settings.
        images: the data set; training happens on its device.
        seed: decides initialization, data order and noise. Equal settings, seed, device, thread count and torch
            version give equal losses at every step.
        on_step: called for every finite step; it may raise `StopTrainingError`.
        read_every_steps: how many steps run before their losses are read from the device and judged; the result does
            not depend on it. By default 1 on a CPU, 16 elsewhere, 1 where the schedule needs to know every loss.
        recorder: takes the telemetry of the run; what it has is there also when the run ends with an error.

    Raises:
        StopTrainingError: what `on_step` raised.
        ValueError: if the settings ask for more images per step than there are.
    """
    return _Trainer(config, images, seed, read_every_steps, recorder).run(on_step or (lambda progress: None))


@dataclass(frozen=True)
class _Unread:
    """A step whose loss the host has not seen yet."""

    passes: list[ForwardPass]
    loss_and_norm: Tensor
    """(2,), float64."""


class _Trainer:
    def __init__(
        self,
        config: TrialConfig,
        images: Images,
        seed: int,
        read_every_steps: int | None,
        recorder: TelemetryRecorder | None,
    ) -> None:
        self.config = config
        self.images = images
        self.seed = seed
        self.seeds = TrialSeeds.of(seed)
        device = images.training.device
        self.model = build_model(config, self.seeds.initialization).to(device)
        self.parameters = list(self.model.parameters())
        self.horizon = config.training.horizon(len(images.training))
        self.optimizer = build_optimizer(self.model, config.training)
        self.schedule = LearningRateSchedule(config.training, self.horizon)
        self.noise = torch.Generator(device).manual_seed(self.seeds.noise)
        self.batches = _batches(images.training, config.training.batch_size, self.seeds.order)
        if config.training.schedule == "plateau":
            read_every_steps = 1
        self.read_every_steps = read_every_steps or (1 if device.type == "cpu" else ACCELERATOR_READ_EVERY_STEPS)
        self.unread: list[_Unread] = []
        self.broken = torch.zeros((), device=device)
        self.losses: list[float] = []
        self.recorder = recorder
        if recorder is not None:
            # CUDA graphs write every step's tensors to the same place.
            at_once = 1 if config.training.compile == "reduce-overhead" else STEPS_AT_ONCE
            recorder.start(self.model, config.model, config.training.clip_norm, steps_at_once=at_once)

    def run(self, on_step: Callable[[Progress], None]) -> TrainingRun:
        started = time.perf_counter()
        self.model.train()
        divergence = autopsy = broken = None
        for step in range(1, self.horizon + 1):
            self._step(step)
            if step % self.read_every_steps == 0 or step == self.horizon:
                found = self._read(on_step)
                if found is not None:
                    signal, passes = found
                    broken = BrokenStep(self.model, passes)
                    autopsy = examine(self.model, passes, len(self.losses))
                    divergence = Divergence(
                        step=len(self.losses), signal=signal, origin=autopsy.origin, cause=autopsy.cause
                    )
                    break
        validation_loss = None if divergence is not None else self._validate()
        losses = np.array(self.losses)
        result = judge(
            losses,
            divergence,
            self.config.outcome,
            seed=self.seed,
            horizon=self.horizon,
            validation_loss=validation_loss,
            wall_seconds=time.perf_counter() - started,
        )
        return TrainingRun(result, losses, autopsy, broken)

    def _step(self, step: int) -> None:
        """One optimizer step; once a loss or a gradient is not finite, the weights stay as they are.

        Nothing here waits for the device: the optimizer itself skips its update where `broken` is 1.
        """
        accumulation = self.config.training.accumulation_steps
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros_like(self.broken, dtype=torch.float64)
        passes = []
        for _ in range(accumulation):
            done = self.model.forward_pass(next(self.batches), generator=self.noise)
            loss = done.losses.mean() / accumulation
            loss.backward()
            total += loss.detach()
            passes.append(done)
        norm = gradient_norm(self.parameters)
        scale_gradient(self.parameters, norm, self.config.training.clip_norm)
        loss_and_norm = torch.stack([total, norm.to(total.dtype)])
        self.unread.append(_Unread(passes, loss_and_norm))
        torch.maximum(self.broken, (~loss_and_norm.isfinite()).any().to(self.broken.dtype), out=self.broken)
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.rate(step)
        self.optimizer.found_inf = self.broken  # type: ignore[attr-defined]
        self.optimizer.step()
        if self.recorder is not None:
            self.recorder.observe(step, passes, loss_and_norm)

    def _read(self, on_step: Callable[[Progress], None]) -> tuple[Signal, list[ForwardPass]] | None:
        """Judge the steps since the last reading, up to the first that broke."""
        unread, self.unread = self.unread, []
        records = torch.stack([entry.loss_and_norm for entry in unread]).tolist()
        for entry, (loss, norm) in zip(unread, records, strict=True):
            self.losses.append(loss)
            if signal := Signal.of_loss(loss) or Signal.of_gradient(norm):
                if self.recorder is not None:
                    self.recorder.discard_after(len(self.losses))
                return signal, entry.passes
            self.schedule.observe(loss)
            on_step(Progress(len(self.losses), self.horizon, loss))
        return None

    def _validate(self) -> float:
        """Mean loss over the validation images, with noise that depends on the seed alone."""
        noise = torch.Generator(self.images.validation.device).manual_seed(self.seeds.validation)
        self.model.eval()
        with torch.no_grad():
            losses = [
                self.model.forward_pass(batch, generator=noise).losses
                for batch in torch.split(self.images.validation, VALIDATION_BATCH_IMAGES)
            ]
        return torch.cat(losses).double().mean().item()


def build_model(config: TrialConfig, seed: int) -> RHVAE:
    """A freshly initialized model; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = RHVAE(config.model).to(getattr(torch, config.model.precision))
    if config.training.compile != "off":
        require_compiler()
        model.compile_forward(config.training.compile)
    return model


def require_compiler() -> None:
    """Raise a `DefinitionError` where ``torch.compile`` has no C++ compiler to work with."""
    wanted = os.environ.get("CXX", "g++")
    if shutil.which(wanted) is None:
        raise DefinitionError(
            f"training.compile needs a C++ compiler, and there is no {wanted!r} here; install one, or put "
            f'compile = "off"'
        )


def _batches(images: Tensor, size: int, seed: int) -> Iterator[Tensor]:
    """Endless full batches; a new permutation for every pass, the incomplete rest of a pass is dropped."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(len(images), generator=generator).to(images.device)
        for start in range(0, len(images) - size + 1, size):
            yield images[order[start : start + size]]
