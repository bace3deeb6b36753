"""What training asks of a model."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class TrainableModel(Protocol):
    """A torch module that gives a scalar loss for a batch of images.

    All randomness comes from the generator, so that a trial can be replayed.
    """

    def loss(self, images: Tensor, *, generator: torch.Generator) -> Tensor:
        """Scalar loss of a batch of shape (B, D) with values in [0, 1]; differentiable in training mode."""
        ...

    def loss_per_image(self, images: Tensor, *, generator: torch.Generator) -> Tensor:
        """Loss of every image, of shape (B,), in evaluation mode."""
        ...
