"""The data sets of images, and what is known of each before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stability_sweep.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class DataSet:
    """A data set of images, all of one size."""

    title: str
    """What people call it."""
    images: int
    """How many it has; training takes them from the start, validation from the end."""
    load: Callable[[Path | None], NDArray[np.float32]]
    """From a folder with its files (None: the environment's, the cache, a download) to all images, (images, pixels),
    values in [0, 1]. It raises `MissingDataError` if they are not to be had, a `DataError` if they are corrupt."""
    require: Callable[[Path | None], object] | None = None
    """Raises what `load` would, without making images of its files; None for a part of what is installed."""
    full_title: str = ""
    """What it is called where it is not known; empty where that is its title."""
    details: str = ""
    """What else a reader should know of its images: ``upsampled from 8x8``."""

    def instead_of(self, asked: DataSet) -> str:
        """What a reader must know of a study that asked for another data set and got this one.

        Args:
            asked: the one that was not to be had.
        """
        images = ", ".join(filter(None, [f"{self.images:,} images", self.details]))
        return (
            f"{asked.title} was not to be had when this study began, so it trains on {self.full_title or self.title} "
            f"instead ({images}). Its map is not {asked.title}'s."
        )


def _load_mnist(data_dir: Path | None) -> NDArray[np.float32]:
    import numpy as np

    from stability_sweep.targets.images.mnist import training_images

    return training_images(data_dir).astype(np.float32) / np.float32(255)


def _require_mnist(data_dir: Path | None) -> None:
    from stability_sweep.targets.images.mnist import training_images

    training_images(data_dir)


def _load_digits(data_dir: Path | None) -> NDArray[np.float32]:
    from stability_sweep.targets.images.digits import digits_images

    return digits_images()


MNIST = DataSet("MNIST", 60_000, _load_mnist, _require_mnist)
DIGITS = DataSet(
    "scikit-learn's digits",
    1_797,
    _load_digits,
    full_title="scikit-learn's embedded digits",
    details="upsampled from 8x8",
)

DATASETS: Registry[DataSet] = Registry(
    "stability_sweep.datasets", {name: f"{__name__}:{name.upper()}" for name in ("mnist", "digits")}
)
"""Every data set by the name that a definition gives it."""
