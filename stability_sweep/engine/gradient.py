"""The norm of the whole gradient, and clipping by it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def gradient_norm(parameters: Sequence[Tensor]) -> Tensor:
    """L2 norm of the whole gradient, a scalar: NaN or infinite only if the gradient itself is.

    The square of a large finite gradient can overflow in float32; then the norm is taken again in float64. Elsewhere
    than on a CPU it always is, as looking first would make the host wait.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if gradients[0].device.type == "cpu":
        norm = torch.nn.utils.get_total_norm(gradients)
        if not norm.isinf():
            return norm
    return torch.nn.utils.get_total_norm([gradient.double() for gradient in gradients])


def scale_gradient(parameters: Sequence[Tensor], norm: Tensor, clip_norm: float) -> None:
    """Clip by norm, with torch's own formula: multiply by clip_norm / (norm + 1e-6) if that is below 1."""
    if math.isinf(clip_norm):
        return
    if norm.device.type == "cpu" and norm + 1e-6 <= clip_norm:
        return  # the factor is 1; elsewhere looking would make the host wait
    torch.nn.utils.clip_grads_with_norm_(parameters, clip_norm, norm)
