"""Which images are trained on: the table ``[data]``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from stability_sweep.space.dimensions import Frozen

AVAILABLE_IMAGES = {"mnist": 60_000, "digits": 1_797}
"""Images per data set (of MNIST, its training set); training takes them from the start, validation from the end."""

DATASET_NAMES = {"mnist": "MNIST", "digits": "scikit-learn's digits"}
"""As people call them."""


class DataConfig(Frozen):
    """Which images are trained on: the table ``[data]``."""

    dataset: Literal["mnist", "digits"] = "mnist"
    fallback: Literal["digits"] | None = None
    """What a new study takes, with a notice, where MNIST is not to be had. The choice is stored with the study."""
    training_images: int = Field(default=10_000, ge=1)
    validation_images: int = Field(default=1_000, ge=1)

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        available = AVAILABLE_IMAGES[self.dataset]
        asked = self.training_images + self.validation_images
        if asked > available:
            raise ValueError(
                f"training_images + validation_images must be at most {available} for {self.dataset}, got {asked}"
            )
        return self

    def on(self, dataset: Literal["mnist", "digits"]) -> DataConfig:
        """The same settings on another data set, with as many training images as it can give."""
        room = AVAILABLE_IMAGES[dataset] - self.validation_images
        return DataConfig(
            dataset=dataset,
            training_images=min(self.training_images, room),
            validation_images=self.validation_images,
        )
