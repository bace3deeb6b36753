"""One training run, stopped in the very step in which a loss or a gradient is not finite."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stability_sweep.configs import OutcomeConfig, TrialConfig
from stability_sweep.data.images import Images
from stability_sweep.errors import DefinitionError
from stability_sweep.models import RHVAE, TrainableModel
from stability_sweep.outcome import Divergence, Outcome, Signal, TrialResult, judge_finite_run
from stability_sweep.training.schedule import LearningRateSchedule, build_optimizer
from stability_sweep.training.seeds import TrialSeeds

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
class TrainingRun:
    """A finished run: its result, and its loss at every step."""

    result: TrialResult
    losses: NDArray[np.float64]
    """(steps,); the last may be NaN or infinite."""


class StopTrainingError(Exception):
    """Raised by an observer to end a run without a result: the trial goes back to the queue."""


def train(
    config: TrialConfig,
    images: Images,
    *,
    seed: int,
    on_step: Callable[[Progress], None] | None = None,
    read_every_steps: int | None = None,
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

    Raises:
        ValueError: if the settings ask for more images per step than there are.
    """
    return _Trainer(config, images, seed, read_every_steps).run(on_step or (lambda progress: None))


class _Trainer:
    def __init__(self, config: TrialConfig, images: Images, seed: int, read_every_steps: int | None = None) -> None:
        self.config = config
        self.images = images
        self.seed = seed
        self.seeds = TrialSeeds.of(seed)
        device = images.training.device
        self.model: RHVAE = build_model(config, self.seeds.initialization).to(device)
        self.horizon = config.training.horizon(len(images.training))
        self.optimizer = build_optimizer(self.model, config.training)
        self.schedule = LearningRateSchedule(config.training, self.horizon)
        self.noise = torch.Generator(device).manual_seed(self.seeds.noise)
        self.batches = _batches(images.training, config.training.batch_size, self.seeds.order)
        if config.training.schedule == "plateau":
            read_every_steps = 1
        self.read_every_steps = read_every_steps or (1 if device.type == "cpu" else ACCELERATOR_READ_EVERY_STEPS)
        self.unread: list[Tensor] = []
        self.broken = torch.zeros((), device=device)
        self.losses: list[float] = []

    def run(self, on_step: Callable[[Progress], None]) -> TrainingRun:
        started = time.perf_counter()
        self.model.train()
        signal = None
        for step in range(1, self.horizon + 1):
            self._step(step)
            if step % self.read_every_steps == 0 or step == self.horizon:
                signal = self._read(on_step)
                if signal is not None:
                    break
        validation_loss = None if signal is not None else self._validate()
        losses = np.array(self.losses)
        result = _judge(
            losses,
            signal,
            self.config.outcome,
            seed=self.seed,
            horizon=self.horizon,
            validation_loss=validation_loss,
            wall_seconds=time.perf_counter() - started,
        )
        return TrainingRun(result, losses)

    def _step(self, step: int) -> None:
        """One optimizer step; once a loss or a gradient is not finite, the weights stay as they are.

        Nothing here waits for the device: the optimizer itself skips its update where `broken` is 1.
        """
        accumulation = self.config.training.accumulation_steps
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros_like(self.broken, dtype=torch.float64)
        for _ in range(accumulation):
            loss = self.model.loss(next(self.batches), generator=self.noise) / accumulation
            loss.backward()
            total += loss.detach()
        norm = gradient_norm(self.model)
        scale_gradient(self.model, norm, self.config.training.clip_norm)
        record = torch.stack([total, norm.to(total.dtype)])
        self.unread.append(record)
        torch.maximum(self.broken, (~record.isfinite()).any().to(self.broken.dtype), out=self.broken)
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.rate(step)
        self.optimizer.found_inf = self.broken  # type: ignore[attr-defined]
        self.optimizer.step()

    def _read(self, on_step: Callable[[Progress], None]) -> Signal | None:
        """Judge the steps since the last reading, up to the first that broke."""
        records = torch.stack(self.unread).tolist()
        self.unread.clear()
        for loss, norm in records:
            self.losses.append(loss)
            if signal := Signal.of_loss(loss) or Signal.of_gradient(norm):
                return signal
            self.schedule.observe(loss)
            on_step(Progress(len(self.losses), self.horizon, loss))
        return None

    def _validate(self) -> float:
        """Mean loss over the validation images, with noise that depends on the seed alone."""
        noise = torch.Generator(self.images.validation.device).manual_seed(self.seeds.validation)
        self.model.eval()
        with torch.no_grad():
            losses = [
                self.model.loss_per_image(batch, generator=noise)
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
    assert isinstance(model, TrainableModel)
    return model


def require_compiler() -> None:
    """Raise a `DefinitionError` where ``torch.compile`` has no C++ compiler to work with."""
    wanted = os.environ.get("CXX", "g++")
    if shutil.which(wanted) is None:
        raise DefinitionError(
            f"training.compile needs a C++ compiler, and there is no {wanted!r} here; install one, or put "
            f'compile = "off"'
        )


def gradient_norm(model: nn.Module) -> Tensor:
    """L2 norm of the whole gradient, a scalar: NaN or infinite only if the gradient itself is.

    The square of a large finite gradient can overflow in float32; then the norm is taken again in float64. Elsewhere
    than on a CPU it always is, as looking first would make the host wait.
    """
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    if gradients[0].device.type == "cpu":
        norm = torch.nn.utils.get_total_norm(gradients)
        if not norm.isinf():
            return norm
    return torch.nn.utils.get_total_norm([gradient.double() for gradient in gradients])


def scale_gradient(model: nn.Module, norm: Tensor, clip_norm: float) -> None:
    """Clip by norm, with torch's own formula: multiply by clip_norm / (norm + 1e-6) if that is below 1."""
    if math.isfinite(clip_norm):
        torch.nn.utils.clip_grads_with_norm_(model.parameters(), clip_norm, norm)


def _batches(images: Tensor, size: int, seed: int) -> Iterator[Tensor]:
    """Endless full batches; a new permutation for every pass, the incomplete rest of a pass is dropped."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(len(images), generator=generator).to(images.device)
        for start in range(0, len(images) - size + 1, size):
            yield images[order[start : start + size]]


def _judge(
    losses: NDArray[np.float64],
    signal: Signal | None,
    rules: OutcomeConfig,
    *,
    seed: int,
    horizon: int,
    validation_loss: float | None,
    wall_seconds: float,
) -> TrialResult:
    first, finite = float(losses[0]), losses[np.isfinite(losses)]
    if signal is None:
        window = max(1, min(rules.window_steps, horizon // 10))
        final = float(np.median(losses[-window:]))
        outcome = judge_finite_run(first, final, stalled_below=rules.stalled_below, exploded_above=rules.exploded_above)
    else:
        final, outcome = float(losses[-1]), Outcome.DIVERGED
    return TrialResult(
        seed=seed,
        outcome=outcome,
        horizon=horizon,
        steps=len(losses),
        divergence=None if signal is None else Divergence(step=len(losses), signal=signal),
        first_loss=first,
        final_loss=final,
        best_loss=float(finite.min()) if len(finite) else None,
        max_loss=None if np.isnan(losses).all() else float(np.nanmax(losses)),
        validation_loss=validation_loss,
        wall_seconds=wall_seconds,
    )
