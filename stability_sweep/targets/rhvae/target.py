"""The RHVAE on images as a target: its keys in a definition, its dimensions, and how a trial of it is started."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from stability_sweep.engine.settings import OutcomeConfig, TrainingConfig, TrainingSettings
from stability_sweep.mistakes import describe_validation_error
from stability_sweep.space.dimensions import Choices, Dimension, Frozen, Point, Value
from stability_sweep.space.roles import BATCH_SIZE, CLIP_NORM, LEARNING_RATE
from stability_sweep.targets.images import FALLBACK_NOTICE, available_dataset
from stability_sweep.targets.images.settings import DATASET_NAMES, DataConfig
from stability_sweep.targets.protocol import Settings
from stability_sweep.targets.rhvae.causes import CAUSES
from stability_sweep.targets.rhvae.reproducer import REPRODUCER
from stability_sweep.targets.rhvae.settings import SMALLEST_SAFE_BATCH, RHVAEConfig, TrialConfig
from stability_sweep.targets.rhvae.signals import SIGNALS

if TYPE_CHECKING:
    import torch

    from stability_sweep.targets.rhvae.trainable import PreparedRHVAE

_SHORT_NAMES = (LEARNING_RATE, BATCH_SIZE, CLIP_NORM)
"""Dimensions that are settings of training, and of every study; they are called by their short names."""

_SECTIONS: Mapping[str, type[Frozen]] = {"training": TrainingConfig, "model": RHVAEConfig}
"""The tables whose settings can be dimensions."""


class RHVAETarget:
    """See `targets.protocol.Target`."""

    keys: Mapping[str, tuple[Any, Any]] = {
        "allow_small_batches": (bool, False),
        "training": (TrainingSettings, ...),
        "model": (RHVAEConfig, RHVAEConfig()),
        "data": (DataConfig, DataConfig()),
    }
    default_dimensions: Mapping[str, Any] = {
        "learning_rate": {"low": 1e-6, "high": 1e-1, "log": True},
        "batch_size": {"choices": [16, 32, 64, 128, 256, 512, 1024]},
        "clip_norm": {"low": 0.1, "high": 1000.0, "log": True, "off_share": 0.2},
    }
    roles: Mapping[str, str] = {name: name for name in _SHORT_NAMES}
    causes = CAUSES
    signals = SIGNALS
    reproducer = REPRODUCER

    def is_real(self, dimension: str) -> bool:
        """Whether a dimension's setting is real-valued; False for one that does not exist."""
        try:
            return _setting(dimension).annotation in (float, float | None)
        except ValueError:
            return False

    def can_be_off(self, dimension: str) -> bool:
        """Whether a dimension's setting can be switched off."""
        return bool(_setting(dimension).default == math.inf)

    def own_value(self, settings: Settings, dimension: str) -> Value | None:
        """The definition's own setting, defaults included; the three that every study searches have none."""
        if dimension in _SHORT_NAMES:
            return None
        section, name = split_dimension(dimension)
        own: Value | None = getattr(settings[section], name)
        return own

    def at(self, settings: Settings, outcome: OutcomeConfig, point: Point) -> TrialConfig:
        """The settings of the trial at a point."""
        sections: dict[str, dict[str, Any]] = {name: settings[name].model_dump() for name in _SECTIONS}
        for dimension, value in point.items():
            section, name = split_dimension(dimension)
            sections[section][name] = value
        return TrialConfig(
            training=TrainingConfig(**sections["training"]),
            model=RHVAEConfig(**sections["model"]),
            data=settings["data"],
            outcome=outcome,
        )

    def check_value(self, settings: Settings, outcome: OutcomeConfig, dimension: str, value: Value) -> None:
        """Refuse a value that no trial could have."""
        try:
            # The other dimensions get values that are surely allowed: each answers for itself.
            config = self.at(settings, outcome, {LEARNING_RATE: 1.0, BATCH_SIZE: 1, dimension: value})
        except ValidationError as error:
            raise ValueError(describe_validation_error(error, TrialConfig)[0].text) from None
        if dimension != BATCH_SIZE:
            return
        _ = config.horizon
        if config.training.batch_size < SMALLEST_SAFE_BATCH and not settings["allow_small_batches"]:
            raise ValueError(
                f"batch sizes start at {SMALLEST_SAFE_BATCH}, got {value}, because the RHVAE's metric is a sum over "
                f"the batch and fewer images leave it mostly regularization; to try it all the same, put "
                f"allow_small_batches = true at the top of the definition"
            )

    def check_space(self, settings: Settings, outcome: OutcomeConfig, space: Mapping[str, Dimension]) -> None:
        """Refuse a space whose largest step takes more images than there are."""
        largest: dict[str, Value] = {LEARNING_RATE: 1.0}
        for name in (BATCH_SIZE, "training.accumulation_steps"):
            if name in space:
                largest[name] = max(space[name].extremes().values())
        _ = self.at(settings, outcome, largest).horizon

    def subject(self, settings: Settings) -> str:
        """``RHVAE training on MNIST``."""
        return f"RHVAE training on {DATASET_NAMES[settings['data'].dataset]}"

    def fixed_horizon(self, settings: Settings) -> int | None:
        """``horizon_steps``."""
        steps: int | None = settings["training"].horizon_steps
        return steps

    def horizon_in_words(self, settings: Settings) -> str | None:
        """``10.0 epochs``, where the horizon is told in epochs."""
        epochs = settings["training"].horizon_epochs
        return f"{epochs} epochs" if epochs else None

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
        """That one, or its fallback where MNIST is not to be had."""
        return available_dataset(settings["data"], data_dir)

    def on(self, settings: Settings, dataset: str) -> Settings:
        """The settings with the other data set."""
        return {**settings, "data": settings["data"].on("digits" if dataset == "digits" else "mnist")}

    def fallback_notice(self, dataset: str) -> str:
        """MNIST was not to be had."""
        return FALLBACK_NOTICE

    def prepare(self, settings: Settings, *, data_dir: Path | None, device: torch.device) -> PreparedRHVAE:
        """Load the images."""
        from stability_sweep.targets.images.images import load_images
        from stability_sweep.targets.rhvae.trainable import PreparedRHVAE

        return PreparedRHVAE(load_images(settings["data"], data_dir, device))


def split_dimension(name: str) -> tuple[str, str]:
    """Section and field of a dimension: ``learning_rate`` is short for ``training.learning_rate``.

    Raises:
        ValueError: if no such setting exists.
    """
    path = f"training.{name}" if name in _SHORT_NAMES else name
    section, _, field = path.partition(".")
    if (
        section not in _SECTIONS
        or field not in _SECTIONS[section].model_fields
        or (field in _SHORT_NAMES and path == name)
    ):
        known = [
            *_SHORT_NAMES,
            *(f"model.{field}" for field in RHVAEConfig.model_fields),
            *(f"training.{field}" for field in TrainingSettings.model_fields),
        ]
        raise ValueError(f"no such dimension; allowed: {', '.join(known)}")
    return section, field


def _setting(name: str) -> FieldInfo:
    """The setting that a dimension varies."""
    section, field = split_dimension(name)
    return _SECTIONS[section].model_fields[field]


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
