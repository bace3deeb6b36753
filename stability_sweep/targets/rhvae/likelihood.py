"""Reconstruction likelihoods log p(x|z), with the derivatives that the closed-form decoder gradient is built from.

Every function takes the reconstruction x̂ = sigmoid(a) and the images x, both (B, D). The additive constants of log p
are left out, as pythae leaves them out: they move no gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_SMALLEST_LOG = -100.0
_LEAST_VARIANCE = 9.999999960041972e-13
"""Least denominator in torch's derivative of binary cross-entropy: 1e-12 rounded to float32, in float64 as well."""
_TINY = 1e-12
"""What torch's second derivative of it adds to its denominators."""


@dataclass(frozen=True)
class Likelihood:
    """A likelihood of the pixels."""

    log_density: Callable[[Tensor, Tensor], Tensor]
    """log p(x|z), (B,)."""
    slope: Callable[[Tensor, Tensor], Tensor]
    """q = ∂(−log p)/∂x̂, (B, D)."""
    slope_derivative: Callable[[Tensor, Tensor], Tensor | None]
    """∂q/∂x̂, (B, D); None if it is 1 everywhere."""


def _gaussian_log_density(reconstruction: Tensor, images: Tensor) -> Tensor:
    return -0.5 * (reconstruction - images).square().sum(dim=-1)


def _bernoulli_log_density(reconstruction: Tensor, images: Tensor) -> Tensor:
    """The negative of torch's binary cross-entropy: logs bounded by −100.

    torch's own function raises an error for a NaN on the CPU and ends the process with a failed assertion on a GPU;
    in a sweep a NaN is a result.
    """
    log_on = reconstruction.log().clamp_min(_SMALLEST_LOG)
    log_off = torch.log1p(-reconstruction).clamp_min(_SMALLEST_LOG)
    return (images * log_on + (1 - images) * log_off).sum(dim=-1)


def _bernoulli_slope(reconstruction: Tensor, images: Tensor) -> Tensor:
    return (reconstruction - images) / (reconstruction * (1 - reconstruction)).clamp_min(_LEAST_VARIANCE)


def _bernoulli_slope_derivative(reconstruction: Tensor, images: Tensor) -> Tensor:
    """As torch takes it when it differentiates binary cross-entropy twice.

    Where the sigmoid saturates, torch's small constants decide the numbers; training with pythae has them, so do we.
    """
    on, off = reconstruction + _TINY, 1 - reconstruction + _TINY
    numerator = reconstruction * reconstruction - 2 * reconstruction * images + images
    return numerator / (on.square() * off.square())


def differentiable_log_density(reconstruction: Tensor, images: Tensor, likelihood: Likelihood) -> Tensor:
    """log p(x|z), (B,), which autograd may differentiate twice, with the derivatives of `Likelihood`."""
    return _LogDensity.apply(reconstruction, images, likelihood)  # type: ignore[no-untyped-call, no-any-return]


class _LogDensity(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, reconstruction: Tensor, images: Tensor, likelihood: Likelihood) -> Tensor:
        ctx.save_for_backward(reconstruction, images)
        ctx.likelihood = likelihood
        return likelihood.log_density(reconstruction, images)

    @staticmethod
    def backward(ctx: Any, *bars: Tensor) -> tuple[Tensor, None, None]:
        reconstruction, images = ctx.saved_tensors
        slope: Tensor = _Slope.apply(reconstruction, images, ctx.likelihood)  # type: ignore[no-untyped-call]
        return -bars[0].unsqueeze(-1) * slope, None, None


class _Slope(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, reconstruction: Tensor, images: Tensor, likelihood: Likelihood) -> Tensor:
        ctx.save_for_backward(reconstruction, images)
        ctx.likelihood = likelihood
        return likelihood.slope(reconstruction, images)

    @staticmethod
    def backward(ctx: Any, *bars: Tensor) -> tuple[Tensor, None, None]:
        derivative = ctx.likelihood.slope_derivative(*ctx.saved_tensors)
        return bars[0] if derivative is None else derivative * bars[0], None, None


LIKELIHOODS = {
    # log p = −½‖x̂ − x‖², a Gaussian of unit variance
    "mse": Likelihood(
        log_density=_gaussian_log_density,
        slope=lambda reconstruction, images: reconstruction - images,
        slope_derivative=lambda reconstruction, images: None,
    ),
    # log p = Σ x log x̂ + (1 − x) log(1 − x̂), independent Bernoulli pixels
    "bce": Likelihood(
        log_density=_bernoulli_log_density,
        slope=_bernoulli_slope,
        slope_derivative=_bernoulli_slope_derivative,
    ),
}
