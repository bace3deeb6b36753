"""Clipping part by part of a model: every part's gradient has a limit of its own.

Norms are L2, in float64, so that the square of a large float32 gradient does not overflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from stability_sweep.engine.settings import TrainingConfig


class AdaptiveClipping(Protocol):
    """One of the two rules below."""

    def clip(self, parameters: Sequence[Tensor]) -> Tensor:
        """Scale the gradients in place; the share of the parts that were scaled down, a scalar in [0, 1], float64."""


class UnitClipping:
    """AGC: Brock et al., "High-Performance Large-Scale Image Recognition Without Normalization", arXiv:2102.06171.

    A unit i is a row of a weight (all that belongs to one entry of its first dimension), or a whole vector. Its
    gradient G_i becomes G_i · min(1, λ max(‖W_i‖, ε) / ‖G_i‖), with λ `agc_ratio` and ε `agc_smallest_norm`. The paper
    leaves the last layer out; here every parameter takes part, as a Trainable does not say which is the last.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self._ratio, self._smallest_norm = config.agc_ratio, config.agc_smallest_norm

    @torch.no_grad()
    def clip(self, parameters: Sequence[Tensor]) -> Tensor:
        """See `AdaptiveClipping`."""
        clipped = []
        for parameter in parameters:
            if parameter.grad is None:
                continue
            norm = _unit_norms(parameter.grad)
            limit = self._ratio * _unit_norms(parameter).clamp_min(self._smallest_norm)
            is_above = norm > limit
            parameter.grad.mul_(torch.where(is_above, limit / norm, 1.0).to(parameter.dtype))
            clipped.append(is_above.flatten())
        return torch.cat(clipped).double().mean()


class HistoryClipping:
    """AdaGC: Wang et al., "Enhancing LLM Pretraining Stability via Adaptive Gradient Clipping", arXiv:2502.11034.

    The gradient g of every parameter becomes h g. With λ `adagc_ratio`, β `adagc_decay`, and γ beginning at infinity:

    - in the first `adagc_warmup_steps` steps h = 1 and γ ← min(γ, ‖g‖). (The paper's absolute limit of these steps is
      `clip_norm`, which acts before.)
    - later h = min(1, λ γ / ‖g‖) and γ ← β γ + (1 − β) ‖h g‖.

    A gradient that is zero leaves γ as it is: otherwise a parameter that once had none would never move again.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self._config = config
        self._steps = 0
        self._usual = torch.tensor(torch.inf, dtype=torch.float64)  # γ; after the first step one per gradient

    @torch.no_grad()
    def clip(self, parameters: Sequence[Tensor]) -> Tensor:
        """See `AdaptiveClipping`."""
        config = self._config
        gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
        norms = torch.stack([_norm(gradient) for gradient in gradients])
        usual = self._usual.to(norms.device)
        is_warm = self._steps >= config.adagc_warmup_steps
        self._steps += 1
        if not is_warm:
            self._usual = torch.where(norms > 0, torch.minimum(usual, norms), usual)
            return torch.zeros_like(norms[0])
        limits = config.adagc_ratio * usual
        is_above = norms > limits
        for gradient, factor in zip(gradients, torch.where(is_above, limits / norms, 1.0), strict=True):
            gradient.mul_(factor.to(gradient.dtype))
        now = torch.minimum(norms, limits)
        average = torch.where(usual.isinf(), now, torch.lerp(now, usual, config.adagc_decay))
        self._usual = torch.where(norms > 0, average, usual)
        return is_above.double().mean()


def adaptive_clipping(config: TrainingConfig) -> AdaptiveClipping | None:
    """The rule that the settings name."""
    if config.adaptive_clipping == "none":
        return None
    return UnitClipping(config) if config.adaptive_clipping == "agc" else HistoryClipping(config)


def _norm(tensor: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(tensor, dtype=torch.float64)
    return norm


def _unit_norms(tensor: Tensor) -> Tensor:
    """Norm of every unit, broadcastable over the tensor."""
    if tensor.ndim <= 1:
        return _norm(tensor)
    norms: Tensor = torch.linalg.vector_norm(
        tensor, dim=tuple(range(1, tensor.ndim)), keepdim=True, dtype=torch.float64
    )
    return norms
