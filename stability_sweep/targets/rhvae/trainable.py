"""The RHVAE on images as something that the engine can train."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stability_sweep import engine
from stability_sweep.engine.recorder import TelemetryRecorder
from stability_sweep.engine.run import Progress, TrainingRun
from stability_sweep.engine.settings import OutcomeConfig, TrainingConfig
from stability_sweep.errors import DefinitionError
from stability_sweep.targets.images.images import Images
from stability_sweep.targets.rhvae.measures import RHVAESignals
from stability_sweep.targets.rhvae.model import RHVAE, ForwardPass
from stability_sweep.targets.rhvae.probes import RHVAEProbes
from stability_sweep.targets.rhvae.settings import TrialConfig
from stability_sweep.targets.rhvae.yardstick import negative_log_likelihood

VALIDATION_BATCH_IMAGES = 250
"""Evaluation does not couple images, so this only bounds memory."""


YARDSTICK_IMAGES = 250
"""At most; more would cost more than a short trial, and their mean is known well enough to rank by."""


class TrainableRHVAE:
    """One trial's RHVAE on images; see `engine.protocol.Trainable`."""

    def __init__(self, config: TrialConfig, images: Images) -> None:
        self._config = config
        self._images = images
        self.horizon = config.training.horizon(len(images.training))
        self.signals = RHVAESignals(config.model)
        self.probes = RHVAEProbes()

    @property
    def training(self) -> TrainingConfig:
        """The table ``[training]`` at the trial's point."""
        return self._config.training

    @property
    def outcome(self) -> OutcomeConfig:
        """The table ``[outcome]``."""
        return self._config.outcome

    @property
    def device(self) -> torch.device:
        """That of the images."""
        return self._images.training.device

    @property
    def is_captured(self) -> bool:
        """Whether the settings ask for CUDA graphs."""
        return self._config.training.compile == "reduce-overhead"

    def build(self, seed: int) -> RHVAE:
        """A freshly initialized model on the device of the images."""
        return build_model(self._config, seed).to(self.device)

    def batches(self, seed: int) -> Iterator[Tensor]:
        """Endless full batches; a new permutation for every pass, the incomplete rest of a pass is dropped."""
        return shuffled_batches(self._images.training, self._config.training.batch_size, seed)

    def forward(self, model: RHVAE, batch: Tensor, noise: torch.Generator) -> ForwardPass:
        """One evaluation; the batch's metric is remembered for evaluation."""
        return model.forward_pass(batch, generator=noise)

    def validate(self, model: RHVAE, noise: torch.Generator) -> float:
        """Mean loss over the validation images, as pythae evaluates."""
        with torch.no_grad():
            losses = [
                model.forward_pass(batch, generator=noise).losses
                for batch in torch.split(self._images.validation, VALIDATION_BATCH_IMAGES)
            ]
        return torch.cat(losses).double().mean().item()

    def yardstick(self, model: RHVAE, noise: torch.Generator) -> float:
        """Mean −log p(x) over the first of the validation images; see `targets.rhvae.yardstick`."""
        images = self._images.validation[:YARDSTICK_IMAGES]
        return negative_log_likelihood(model, images, noise).mean().item()


@dataclass(frozen=True)
class PreparedRHVAE:
    """The images on a device, ready for trial after trial; see `targets.protocol.Prepared`."""

    images: Images
    trials_at_once: int = 1

    @property
    def device(self) -> torch.device:
        """That of the images."""
        return self.images.training.device

    def run(
        self,
        settings: TrialConfig,
        *,
        seed: int,
        on_step: Callable[[Progress], None] | None = None,
        recorder: TelemetryRecorder | None = None,
    ) -> TrainingRun:
        """One trial."""
        return train(settings, self.images, seed=seed, on_step=on_step, recorder=recorder)

    def broken_step(self, run: TrainingRun) -> Mapping[str, Any]:
        """What the reproducer reads.

        A dictionary with ``step``, ``model`` (the settings), ``state_dict`` (the last good weights), and ``images``,
        ``latent_noise`` and ``momentum_noise``, lists with one tensor per micro-batch.
        """
        broken = run.broken_step
        assert broken is not None
        assert isinstance(broken.model, RHVAE)
        return {
            "step": run.result.steps,
            "model": broken.model.config.model_dump(mode="json"),
            "state_dict": {name: value.detach().cpu() for name, value in broken.model.state_dict().items()},
            "images": [done.images.cpu() for done in broken.passes],
            "latent_noise": [done.latent_noise.cpu() for done in broken.passes],
            "momentum_noise": [done.momentum_noise.cpu() for done in broken.passes],
            "torch_version": str(torch.__version__),
        }


def train(
    config: TrialConfig,
    images: Images,
    *,
    seed: int,
    on_step: Callable[[Progress], None] | None = None,
    read_every_steps: int | None = None,
    recorder: TelemetryRecorder | None = None,
) -> TrainingRun:
    """Train one RHVAE on images; see `engine.train`.

    Args:
        config: the trial's settings.
        images: the data set; training happens on its device.
        seed: decides initialization, data order and noise.
        on_step: called for every finite step.
        read_every_steps: how many steps run before their losses are read.
        recorder: takes the telemetry.
    """
    return engine.train(
        TrainableRHVAE(config, images),
        seed=seed,
        on_step=on_step,
        read_every_steps=read_every_steps,
        recorder=recorder,
    )


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


def shuffled_batches(images: Tensor, size: int, seed: int) -> Iterator[Tensor]:
    """Endless full batches in an order that follows from the seed.

    Args:
        images: (N, D).
        size: images per batch.
        seed: of the permutations.
    """
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(len(images), generator=generator).to(images.device)
        for start in range(0, len(images) - size + 1, size):
            yield images[order[start : start + size]]
