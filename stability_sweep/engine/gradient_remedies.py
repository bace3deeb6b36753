"""What is done to a gradient between the backward pass and the optimizer, beyond clipping by norm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from stability_sweep.engine.adaptive_clipping import adaptive_clipping
from stability_sweep.engine.gradient import scale_gradient
from stability_sweep.engine.outliers import OutlierRule
from stability_sweep.engine.settings import TrainingConfig


@dataclass(frozen=True)
class Treated:
    """What was done to the gradient of one step."""

    skip: Tensor | None = None
    """Whether the step is not to be made, a scalar of type bool; None where steps are never skipped."""
    signals: dict[str, Tensor] = field(default_factory=dict)
    """Series of the telemetry, scalars; empty where only the norm is clipped."""


class GradientRemedies:
    """Outliers first, then clipping by norm, then clipping part by part; each sees what the one before it left.

    What they remember of earlier steps goes back with the weights, so this can be copied.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self._config = config
        self._outliers = OutlierRule(config) if config.outlier_gradient != "keep" else None
        self._adaptive = adaptive_clipping(config)

    def treat(self, parameters: Sequence[Tensor], norm: Tensor) -> Treated:
        """Scale the gradients of a step in place, without waiting for an accelerator.

        Args:
            parameters: with their gradients.
            norm: of the whole gradient, a scalar; not finite only in a step that is not made anyway.
        """
        clip_norm = self._config.clip_norm
        if self._outliers is None and self._adaptive is None:
            scale_gradient(parameters, norm, clip_norm)
            return Treated()
        skip, signals, is_clipped = None, {}, torch.zeros_like(norm, dtype=torch.bool)
        if self._outliers is not None:
            is_outlier, limit = self._outliers.limit(norm)
            signals["outlier"] = is_outlier.double()
            if self._config.outlier_gradient == "skip":
                skip = is_outlier
            else:
                norm, is_clipped = _scale_to(parameters, norm, is_outlier, limit), is_outlier
        scale_gradient(parameters, norm, clip_norm)
        is_clipped = is_clipped | (norm + 1e-6 > clip_norm)
        if self._adaptive is not None:
            share = signals["adaptively_clipped"] = self._adaptive.clip(parameters)
            is_clipped = is_clipped | (share > 0)
        return Treated(skip, {**signals, "clipped": is_clipped.double()})


def _scale_to(parameters: Sequence[Tensor], norm: Tensor, is_above: Tensor, limit: Tensor) -> Tensor:
    """Scale the gradient to a norm, where it is above; the norm that it has now."""
    if norm.device.type == "cpu" and not is_above:
        return norm  # the factor is 1; elsewhere looking would make the host wait
    factor = torch.where(is_above, limit / norm, 1.0)
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.mul_(factor.to(parameter.dtype))
    return torch.where(is_above, limit.to(norm.dtype), norm)
