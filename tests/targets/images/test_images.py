from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from stability_sweep.environment import DATA_VARIABLE
from stability_sweep.errors import DataError
from stability_sweep.targets.images import available_dataset, mnist
from stability_sweep.targets.images.datasets import DIGITS, MNIST, DataSet
from stability_sweep.targets.images.images import load_images
from stability_sweep.targets.images.settings import DataConfig

CPU = torch.device("cpu")


def test_mnist_is_scaled_and_split_without_overlap(mnist_dir: Path) -> None:
    images = load_images(DataConfig(training_images=59_000, validation_images=1_000), mnist_dir, CPU)
    assert images.training.shape == (59_000, 784)
    assert images.validation.shape == (1_000, 784)
    assert images.training.dtype == torch.float32
    assert (images.training.min().item(), images.training.max().item()) == (0, 1)
    everything = torch.from_numpy(mnist.training_images(mnist_dir).copy()).float() / 255
    assert torch.equal(images.validation, everything[59_000:])


def test_digits_need_no_file_and_look_like_mnist(tmp_path: Path) -> None:
    images = load_images(DataConfig(dataset="digits", training_images=1_700, validation_images=97), tmp_path, CPU)
    assert images.training.shape == (1_700, 784)
    assert images.validation.shape == (97, 784)
    assert images.training.min() >= 0
    assert images.training.max() <= 1
    assert len(torch.unique(images.training, dim=0)) > 1_600  # images, not copies


def test_the_fallback_is_taken_only_when_mnist_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    monkeypatch.setattr(mnist.fetch, "__kwdefaults__", {"mirrors": ["http://127.0.0.1:1/"], "timeout_seconds": 1.0})
    assert available_dataset(DataConfig(fallback="digits"), None) == "digits"
    with pytest.raises(mnist.MissingDataError, match="could not be downloaded"):
        available_dataset(DataConfig(), None)


def test_a_data_set_says_what_it_stands_in_for() -> None:
    assert DIGITS.instead_of(MNIST) == (
        "MNIST was not to be had when this study began, so it trains on scikit-learn's embedded digits instead "
        "(1,797 images, upsampled from 8x8). Its map is not MNIST's."
    )
    shoes = DataSet("shoes", 70_000, lambda folder: np.zeros((70_000, 784), dtype=np.float32))
    assert "so it trains on shoes instead (70,000 images)." in shoes.instead_of(MNIST)


def test_a_corrupt_file_is_never_a_reason_to_fall_back(tmp_path: Path) -> None:
    (tmp_path / f"{mnist.TRAINING_FILE}.gz").write_bytes(b"no gzip stream")
    with pytest.raises(DataError, match="truncated or corrupt"):
        available_dataset(DataConfig(fallback="digits"), tmp_path)


def test_a_smaller_data_set_gives_as_many_images_as_it_has() -> None:
    smaller = DataConfig(training_images=10_000, validation_images=500, fallback="digits").on("digits")
    assert (smaller.training_images, smaller.validation_images) == (1_297, 500)
