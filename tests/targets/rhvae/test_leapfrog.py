from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from stability_sweep.targets.rhvae.leapfrog import PhasePoint, Potential, integrate
from stability_sweep.targets.rhvae.metric import RiemannianMetric

D, BATCH = 3, 8


def quadratic(position: Tensor) -> Potential:
    """A Gaussian in two centers: something smooth with a gradient that is known."""
    log_likelihood = -0.5 * (position - 0.5).square().sum(-1)
    return Potential(log_likelihood, (position - 0.5) + position)


def energy(point: PhasePoint) -> Tensor:
    potential = -point.potential.log_likelihood + 0.5 * point.position.square().sum(-1)
    return (
        potential + 0.5 * (point.momentum * point.metric.velocity(point.momentum)).sum(-1) + 0.5 * point.metric.log_det
    )


def make_start() -> tuple[PhasePoint, RiemannianMetric]:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    metric = RiemannianMetric.from_factors(random(5, D), random(5, D, D).tril(), 1.0, 0.1)
    position = random(BATCH, D)
    return PhasePoint(position, random(BATCH, D), quadratic(position), metric.at(position)), metric


def drift(step_size: float, beta_zero: float = 1.0) -> float:
    """Largest change of the energy over one time unit of 0.04."""
    start, metric = make_start()
    steps = round(0.04 / step_size)
    end = integrate(
        start, metric, quadratic, steps=steps, step_size=step_size,
        beta_zero=beta_zero,
    ).end  # fmt: skip
    return (energy(end) - energy(start)).abs().max().item()


def test_without_tempering_the_energy_is_kept_better_by_smaller_steps() -> None:
    drifts = [drift(step) for step in (0.01, 0.005, 0.0025)]
    # pythae's explicit position update keeps G⁻¹ at the old place, which makes the integrator first order in ε.
    orders = [math.log2(a / b) for a, b in pairwise(drifts)]
    assert drifts[0] < 0.2
    assert all(0.8 < order < 1.2 for order in orders)


def test_a_constant_metric_gives_the_second_order_of_the_leapfrog() -> None:
    start, metric = make_start()
    flat = RiemannianMetric(metric.centroids + 1e6, metric.packed, metric.temperature, metric.regularization)
    start = PhasePoint(start.position, start.momentum, start.potential, flat.at(start.position))
    drifts = []
    for steps in (4, 8, 16):
        end = integrate(start, flat, quadratic, steps=steps, step_size=0.4 / steps, beta_zero=1.0).end
        drifts.append((energy(end) - energy(start)).abs().max().item())
    assert drifts[0] / drifts[1] == pytest.approx(4, rel=0.1)
    assert drifts[1] / drifts[2] == pytest.approx(4, rel=0.05)


def test_tempering_scales_the_momentum_by_beta_zero_over_the_whole_run() -> None:
    start, metric = make_start()
    still = PhasePoint(start.position, start.momentum, start.potential, start.metric)
    for steps in (1, 2, 5):
        end = integrate(still, metric, quadratic, steps=steps, step_size=1e-12, beta_zero=0.3).end
        assert torch.allclose(end.momentum, 0.3 * start.momentum, rtol=1e-8)
