"""One tensor of training images and one of validation images, on the training device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stability_sweep.targets.images.datasets import DATASETS
from stability_sweep.targets.images.settings import DataConfig


@dataclass(frozen=True)
class Images:
    """A data set on the training device; the training loop indexes it, no loader stands between."""

    dataset: str
    training: Tensor
    """(N, 784), float32, values in [0, 1]."""
    validation: Tensor
    """(V, 784), disjoint from the training images."""


def load_images(config: DataConfig, data_dir: Path | None, device: torch.device) -> Images:
    """Load and check the data set that `config` names (no fallback), and put it on the device.

    Raises:
        DataError: if it is missing or corrupt.
    """
    pixels = DATASETS[config.dataset].load(data_dir)
    training = pixels[: config.training_images]
    validation = pixels[len(pixels) - config.validation_images :]
    return Images(config.dataset, _on(device, training), _on(device, validation))


def _on(device: torch.device, pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(pixels)).to(device)
