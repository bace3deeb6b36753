"""Which images are trained on: the table ``[data]``."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from stability_sweep.space.dimensions import Frozen
from stability_sweep.targets.images.datasets import DATASETS
from stability_sweep.text import value_in_words


class DataConfig(Frozen):
    """Which images are trained on: the table ``[data]``."""

    dataset: str = "mnist"
    fallback: str | None = None
    """What a new study takes, with a notice, where that is not to be had. The choice is stored with the study."""
    training_images: int = Field(default=10_000, ge=1)
    validation_images: int = Field(default=1_000, ge=1)

    @field_validator("dataset")
    @classmethod
    def _check_dataset(cls, name: str) -> str:
        return _known(name, DATASETS.names())

    @field_validator("fallback")
    @classmethod
    def _check_fallback(cls, name: str | None) -> str | None:
        always_here = [known for known in DATASETS.names() if DATASETS[known].require is None]
        return None if name is None else _known(name, always_here)

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        available = DATASETS[self.dataset].images
        asked = self.training_images + self.validation_images
        if asked > available:
            raise ValueError(
                f"training_images + validation_images must be at most {available} for {self.dataset}, got {asked}"
            )
        return self

    def on(self, dataset: str) -> DataConfig:
        """The same settings on another data set, with as many training images as it can give."""
        room = DATASETS[dataset].images - self.validation_images
        return DataConfig(
            dataset=dataset,
            training_images=min(self.training_images, room),
            validation_images=self.validation_images,
        )


def _known(name: str, known: Sequence[str]) -> str:
    if name not in known:
        listed = ", ".join(f"'{one}'" for one in known)
        raise ValueError(f"expected one of {listed}, got {value_in_words(name)}")
    return name
