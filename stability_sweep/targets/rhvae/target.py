"""The RHVAE on images as a target: its keys in a definition, its dimensions, and how a trial of it is started."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stability_sweep.engine.settings import OutcomeConfig, TrainingConfig, TrainingSettings
from stability_sweep.space.dimensions import Choices, Dimension, Frozen, Point, Value
from stability_sweep.space.roles import BATCH_SIZE
from stability_sweep.targets.base import TargetBase
from stability_sweep.targets.images import available_dataset
from stability_sweep.targets.images.datasets import DATASETS
from stability_sweep.targets.images.settings import DataConfig
from stability_sweep.targets.protocol import Settings
from stability_sweep.targets.rhvae.causes import CAUSES
from stability_sweep.targets.rhvae.reproducer import REPRODUCER
from stability_sweep.targets.rhvae.settings import SMALLEST_SAFE_BATCH, RHVAEConfig, TrialConfig
from stability_sweep.targets.rhvae.signals import SHOWN_SIGNALS, SIGNALS

if TYPE_CHECKING:
    import torch

    from stability_sweep.targets.rhvae.trainable import PreparedRHVAE


class RHVAETarget(TargetBase):
    """See `targets.protocol.Target`."""

    sections: Mapping[str, type[Frozen]] = {"training": TrainingConfig, "model": RHVAEConfig}
    keys: Mapping[str, tuple[Any, Any]] = {
        "allow_small_batches": (bool, False),
        "training": (TrainingSettings, ...),
        "model": (RHVAEConfig, RHVAEConfig()),
        "data": (DataConfig, DataConfig()),
    }
    causes = CAUSES
    signals = SIGNALS
    shown_signals = SHOWN_SIGNALS
    reproducer = REPRODUCER

    def settings_of(self, tables: Mapping[str, Frozen], settings: Settings, outcome: OutcomeConfig) -> TrialConfig:
        """Training and model at the trial's point, the definition's data."""
        training, model = tables["training"], tables["model"]
        assert isinstance(training, TrainingConfig)
        assert isinstance(model, RHVAEConfig)
        return TrialConfig(training=training, model=model, data=settings["data"], outcome=outcome)

    def check_value(self, settings: Settings, outcome: OutcomeConfig, dimension: str, value: Value) -> None:
        """Refuse a value that no trial could have, and a batch that is too small for the metric."""
        super().check_value(settings, outcome, dimension, value)
        is_small = dimension == BATCH_SIZE and isinstance(value, int) and value < SMALLEST_SAFE_BATCH
        if is_small and not settings["allow_small_batches"]:
            raise ValueError(
                f"batch sizes start at {SMALLEST_SAFE_BATCH}, got {value}, because the RHVAE's metric is a sum over "
                f"the batch and fewer images leave it mostly regularization; to try it all the same, put "
                f"allow_small_batches = true at the top of the definition"
            )

    def subject(self, settings: Settings) -> str:
        """``RHVAE training on MNIST``."""
        return f"RHVAE training on {DATASETS[settings['data'].dataset].title}"

    def steps_per_epoch(self, settings: Settings, point: Point) -> float | None:
        """Whole steps: the incomplete rest of a pass is dropped."""
        batch_size = point.get(BATCH_SIZE)
        if not isinstance(batch_size, int):
            return None
        accumulated = point.get("training.accumulation_steps", settings["training"].accumulation_steps)
        assert isinstance(accumulated, int)
        steps: int = settings["data"].training_images // (batch_size * accumulated)
        return steps or None

    def imported_modules(self, settings: Settings, space: Mapping[str, Dimension]) -> set[str]:
        """The modules of networks that are named by an import path."""
        networks = _networks(settings, space)
        paths = {path for config in networks for path in (config.encoder, config.decoder)}
        return {path.partition(":")[0] for path in paths if ":" in path}

    def check_here(self, settings: Settings, space: Mapping[str, Dimension]) -> None:
        """Refuse networks that cannot be had here."""
        from stability_sweep.targets.rhvae.registry import check_networks

        check_networks(_networks(settings, space))

    def dataset(self, settings: Settings) -> str:
        """The data set that the definition asks for."""
        return str(settings["data"].dataset)

    def dataset_here(self, settings: Settings, data_dir: Path | None) -> str:
        """That one, or its fallback where it is not to be had."""
        return available_dataset(settings["data"], data_dir)

    def on(self, settings: Settings, dataset: str) -> Settings:
        """The settings with the other data set."""
        return {**settings, "data": settings["data"].on(dataset)}

    def fallback_notice(self, settings: Settings, dataset: str) -> str:
        """Which images were not to be had, and which are trained on instead."""
        return DATASETS[dataset].instead_of(DATASETS[settings["data"].dataset])

    def prepare(self, settings: Settings, *, data_dir: Path | None, device: torch.device) -> PreparedRHVAE:
        """Load the images."""
        from stability_sweep.targets.images.images import load_images
        from stability_sweep.targets.rhvae.trainable import PreparedRHVAE

        return PreparedRHVAE(load_images(settings["data"], data_dir, device))


def _networks(settings: Settings, space: Mapping[str, Dimension]) -> list[RHVAEConfig]:
    """The model's settings with every encoder and every decoder that its trials may have."""
    model = settings["model"]
    found = [model]
    for field in ("encoder", "decoder"):
        dimension = space.get(f"model.{field}")
        if isinstance(dimension, Choices):
            found += [model.model_copy(update={field: str(choice)}) for choice in dimension.choices]
    return found


TARGET = RHVAETarget()
