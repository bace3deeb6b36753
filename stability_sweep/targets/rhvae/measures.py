"""Measures the series that only an RHVAE has, many steps at once.

Shapes: n steps measured at once, P = K + 1 points of a trajectory, B images of a step, d latent dimension.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter

import torch
from torch import Tensor

from stability_sweep.targets.rhvae.leapfrog import tempering_ratios
from stability_sweep.targets.rhvae.model import ForwardPass
from stability_sweep.targets.rhvae.settings import RHVAEConfig
from stability_sweep.targets.rhvae.signals import SIGNALS


class RHVAESignals:
    """The signals of an RHVAE with these settings."""

    names = SIGNALS

    def __init__(self, config: RHVAEConfig) -> None:
        self._ratios = list(tempering_ratios(config.n_lf, config.beta_zero))

    def measure(self, passes: Sequence[Sequence[ForwardPass]]) -> Mapping[str, Tensor]:
        """Those that come from the trajectories, each (n,)."""
        return _of_trajectories(passes, self._ratios)

    def elements(self, done: ForwardPass) -> int:
        """Images, metrics and their weights at every point."""
        points = done.trajectory.points
        size = 2 * points[0].metric.inverse.numel() + points[0].metric.weights.numel()
        return done.images.numel() + len(points) * size


def _of_trajectories(passes: Sequence[Sequence[ForwardPass]], ratios: list[float]) -> dict[str, Tensor]:
    """The signals that come from the model: each (n,), over all images of a step's micro-batches."""
    steps, flat = len(passes), [done for of_step in passes for done in of_step]

    def gather(tensors: list[Tensor]) -> Tensor:
        """(n·micro·B, ...) to (n, micro·B, ...)."""
        together = torch.stack(tensors)
        return together.view(steps, -1, *together.shape[2:])

    points = [done.trajectory.points for done in flat]
    names = ("position", "momentum", "potential.log_likelihood", "metric.log_det", "metric.inverse")
    position, momentum, log_likelihood, log_det, inverse = (
        [gather([read(run[k]) for run in points]) for k in range(len(ratios) + 1)]  # a list over the points
        for read in map(attrgetter, names)
    )
    kinetic = [_half_quadratic(*pair) for pair in zip(inverse, momentum, strict=True)]
    potential = [
        0.5 * z.square().sum(-1) - log_p + 0.5 * log_d
        for z, log_p, log_d in zip(position, log_likelihood, log_det, strict=True)
    ]
    drift = torch.zeros_like(kinetic[0])
    for k, ratio in enumerate(ratios, start=1):
        drift += potential[k] - potential[k - 1] + kinetic[k] / ratio**2 - kinetic[k - 1]
    noise, log_variance = gather([done.latent_noise for done in flat]), gather([done.log_variance for done in flat])
    return {
        "reconstruction": -log_likelihood[-1].mean(1),
        "prior": 0.5 * position[-1].square().sum(-1).mean(1),
        "momentum": (kinetic[-1] + 0.5 * log_det[-1]).mean(1),
        "entropy": -0.5 * (noise.square() + log_variance).sum(-1).mean(1),
        "largest_latent": position[-1].abs().amax((1, 2)),
        "largest_momentum": momentum[-1].abs().amax((1, 2)),
        "smallest_eigenvalue": 1 / _row_sum_norm(gather([run[-1].metric.tensor for run in points])),
        "largest_eigenvalue": _row_sum_norm(inverse[-1]),
        "energy_drift": drift.abs().mean(1) / (potential[0] + kinetic[0]).abs().mean(1),
    }


def _half_quadratic(inverse: Tensor, momentum: Tensor) -> Tensor:
    """½ρᵀG⁻¹ρ, (n, B)."""
    return 0.5 * (momentum * (inverse @ momentum.unsqueeze(-1)).squeeze(-1)).sum(-1)


def _row_sum_norm(matrices: Tensor) -> Tensor:
    """Largest ‖·‖∞ of the matrices of every step, (n,) of (n, B, d, d): a bound of their eigenvalues."""
    return matrices.abs().sum(-1).amax((1, 2))
