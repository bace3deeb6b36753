"""Which data set a new study uses, where the one it asks for is not to be had."""

from __future__ import annotations

from pathlib import Path

from stability_sweep.targets.images.datasets import DATASETS
from stability_sweep.targets.images.mnist import MissingDataError
from stability_sweep.targets.images.settings import DataConfig


def available_dataset(config: DataConfig, data_dir: Path | None) -> str:
    """The data set that a new study will use on this machine: the one it asks for, or its fallback.

    Raises:
        DataError: if it is missing and the definition names no fallback, or if a file found is corrupt (a corrupt
            file is never a reason to fall back silently).
    """
    require = DATASETS[config.dataset].require
    if require is None:
        return config.dataset
    try:
        require(data_dir)
    except MissingDataError:
        if config.fallback is None:
            raise
        return config.fallback
    return config.dataset
