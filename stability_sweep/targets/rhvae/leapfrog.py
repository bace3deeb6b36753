"""The generalized leapfrog integrator of the RHVAE, with tempering.

It follows the Hamiltonian H(z, ρ) = U(z) + ½ρᵀG⁻¹(z)ρ + ½ log det G(z) with U(z) = −log p(x|z) − log p(z), where ∂_z
holds ρ, μ and M fixed (arXiv:2010.11518, section 3). As in pythae, G⁻¹ stays at the old position in the position
update, and the first half step and the position update are constants for backpropagation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from stability_sweep.targets.rhvae.metric import LocalMetric, RiemannianMetric

FIXED_POINT_ITERATIONS = 3


@dataclass(frozen=True)
class Potential:
    """The potential at B positions."""

    log_likelihood: Tensor
    """log p(x|z), (B,)."""
    gradient: Tensor
    """∂_zU, (B, d)."""


@dataclass(frozen=True)
class PhasePoint:
    """Position and momentum with everything that was evaluated there."""

    position: Tensor
    """z, (B, d)."""
    momentum: Tensor
    """ρ, (B, d)."""
    potential: Potential
    metric: LocalMetric


@dataclass(frozen=True)
class Trajectory:
    """Where the integrator has been."""

    points: list[PhasePoint]
    """Start, and the end of every step: K + 1 of them."""
    half_momenta: list[Tensor]
    """The momentum after every step's first half, (B, d) each, K of them."""

    @property
    def end(self) -> PhasePoint:
        """The last point."""
        return self.points[-1]


def integrate(
    start: PhasePoint,
    metric: RiemannianMetric,
    potential: Callable[[Tensor], Potential],
    *,
    steps: int,
    step_size: float,
    beta_zero: float,
    gradient_cap: float = math.inf,
) -> Trajectory:
    """Run leapfrog steps from a start whose potential and metric are constants.

    Args:
        start: z₀ and ρ₀, both (B, d), with what is evaluated there.
        metric: G⁻¹ as a function of z.
        potential: −log p(x|z) and the gradient of −log p(x, z), at z.
        steps: K.
        step_size: ε.
        beta_zero: β₀, where tempering starts; 1 switches it off.
        gradient_cap: largest norm of every ∂_zH: g becomes g · min(1, cap/‖g‖).
    """
    state = start
    trajectory = Trajectory([start], [])
    half = 0.5 * step_size
    for ratio in tempering_ratios(steps, beta_zero):
        with torch.no_grad():
            gradient, velocity = _first_half(state, metric, half, gradient_cap)
        momentum = torch.sub(state.momentum, gradient, alpha=half)
        trajectory.half_momenta.append(momentum)
        position = torch.add(state.position, velocity, alpha=step_size)
        here = potential(position)
        local, gradient = metric.at_with_gradient(position, momentum)
        gradient = _capped(here.gradient + gradient, gradient_cap)
        momentum = torch.sub(momentum, gradient, alpha=half) * ratio
        state = PhasePoint(position, momentum, here, local)
        trajectory.points.append(state)
    return trajectory


def _first_half(state: PhasePoint, metric: RiemannianMetric, half: float, gradient_cap: float) -> tuple[Tensor, Tensor]:
    """Solve ρ½ = ρ − ε/2 ∂_zH(z, ρ½) by fixed-point iteration; return that ∂_zH and the velocity G⁻¹(z) ρ½."""
    momentum = state.momentum
    for _ in range(FIXED_POINT_ITERATIONS):
        gradient = state.potential.gradient + metric.position_gradient(state.position, momentum, state.metric)
        gradient = _capped(gradient, gradient_cap)
        momentum = torch.sub(state.momentum, gradient, alpha=half)
    return gradient, state.metric.velocity(momentum)


def _capped(gradient: Tensor, cap: float) -> Tensor:
    if math.isinf(cap):
        return gradient
    norm = torch.linalg.vector_norm(gradient, dim=-1, keepdim=True)
    scale: Tensor = (cap / norm).clamp_max(1.0)
    return gradient * scale


def tempering_ratios(steps: int, beta_zero: float) -> Iterator[float]:
    """√β_{k−1}/√β_k for k = 1..K, with 1/√β_k = (1 − 1/β₀)(k/K)² + 1/β₀."""
    inverse = 1 / beta_zero
    previous = beta_zero
    for k in range(1, steps + 1):
        current = 1 / ((1 - inverse) * (k / steps) ** 2 + inverse)
        yield previous / current
        previous = current
