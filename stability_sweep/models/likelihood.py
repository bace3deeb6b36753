"""Reconstruction likelihoods log p(x|z) and their gradient with respect to the decoder's logits.

Each takes the reconstruction x̂ = sigmoid(a) and the images x, both (B, D), and returns log p(x|z), (B,), and
∂(−log p)/∂a, (B, D). Both results are differentiable with respect to x̂. The additive constants are left out, as
pythae leaves them out: they move no gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_SMALLEST_LOG = -100.0
_TINY = 1e-12
"""What torch's binary cross-entropy adds to, or takes as the least, denominator."""


def gaussian(reconstruction: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    """log p = −½‖x̂ − x‖², a Gaussian of unit variance (``mse``)."""
    residual = reconstruction - images
    log_likelihood = -0.5 * residual.square().sum(dim=-1)
    return log_likelihood, residual * (1 - reconstruction) * reconstruction


def bernoulli(reconstruction: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    """log p = Σ x log x̂ + (1 − x) log(1 − x̂), independent Bernoulli pixels (``bce``)."""
    log_likelihood: Tensor = _BernoulliLogLikelihood.apply(reconstruction, images)  # type: ignore[no-untyped-call]
    slope: Tensor = _BernoulliSlope.apply(reconstruction, images)  # type: ignore[no-untyped-call]
    return log_likelihood.sum(dim=-1), slope * (1 - reconstruction) * reconstruction


class _BernoulliLogLikelihood(torch.autograd.Function):
    """The negative of torch's binary cross-entropy, element by element: logs bounded by −100, its gradient formula.

    torch's own function raises an error for a NaN on the CPU and ends the process with a failed assertion on a GPU;
    in a sweep a NaN is a result.
    """

    @staticmethod
    def forward(ctx: Any, reconstruction: Tensor, images: Tensor) -> Tensor:
        ctx.save_for_backward(reconstruction, images)
        log_on = reconstruction.log().clamp_min(_SMALLEST_LOG)
        log_off = torch.log1p(-reconstruction).clamp_min(_SMALLEST_LOG)
        return images * log_on + (1 - images) * log_off

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -gradients[0] * _slope(*ctx.saved_tensors), None


class _BernoulliSlope(torch.autograd.Function):
    """∂(−log p)/∂x̂, with the derivative that torch uses when it differentiates binary cross-entropy twice.

    Where the sigmoid saturates, torch's small constants decide the numbers; training with pythae has them, so do we.
    """

    @staticmethod
    def forward(ctx: Any, reconstruction: Tensor, images: Tensor) -> Tensor:
        ctx.save_for_backward(reconstruction, images)
        return _slope(reconstruction, images)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        reconstruction, images = ctx.saved_tensors
        on, off = reconstruction + _TINY, 1 - reconstruction + _TINY
        numerator = reconstruction.square() - 2 * reconstruction * images + images
        return gradients[0] * numerator / (on.square() * off.square()), None


def _slope(reconstruction: Tensor, images: Tensor) -> Tensor:
    return (reconstruction - images) / (reconstruction * (1 - reconstruction)).clamp_min(_TINY)


LIKELIHOODS: dict[str, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "mse": gaussian,
    "bce": bernoulli,
}
