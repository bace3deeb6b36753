from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from stability_sweep.targets.rhvae.metric import RiemannianMetric, inverse_and_log_det, squared_distances
from stability_sweep.targets.rhvae.packing import multiplicity, pack, pack_outer, pack_symmetrized, unpack

D = 5
TEMPERATURE, REGULARIZATION = 0.8, 0.05


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def metric() -> RiemannianMetric:
    factors = random(7, D, D, seed=1).tril()
    return RiemannianMetric.from_factors(random(7, D, seed=2), factors, TEMPERATURE, REGULARIZATION)


def plain_inverse_metric(metric: RiemannianMetric, position: Tensor) -> Tensor:
    """The definition, summed in a loop."""
    inverse = REGULARIZATION * torch.eye(D, dtype=torch.float64).repeat(len(position), 1, 1)
    for centroid, matrix in zip(metric.centroids, unpack(metric.packed, D), strict=True):
        weight = torch.exp(-((position - centroid).norm(dim=1) ** 2) / TEMPERATURE**2)
        inverse = inverse + weight.view(-1, 1, 1) * matrix
    return inverse


def test_packing_keeps_symmetric_matrices_and_their_inner_product() -> None:
    a, b = (m + m.mT for m in (random(3, D, D, seed=3), random(3, D, D, seed=4)))
    assert torch.equal(unpack(pack(a), D), a)
    assert torch.allclose((pack(a) * pack(b) * multiplicity(a)).sum(-1), (a * b).sum((-1, -2)))
    vector, matrix = random(3, D, seed=5), random(3, D, D, seed=6)
    assert torch.equal(unpack(pack_outer(vector, vector), D), vector.unsqueeze(-1) * vector.unsqueeze(-2))
    assert torch.allclose(unpack(pack_symmetrized(matrix), D), matrix + matrix.mT)


def test_the_metric_equals_its_definition(metric: RiemannianMetric) -> None:
    position = random(4, D, seed=5)
    local = metric.at(position)
    expected = plain_inverse_metric(metric, position)
    assert torch.allclose(local.inverse, expected, rtol=1e-13, atol=0)
    assert torch.allclose(local.tensor, torch.linalg.inv(expected), rtol=1e-9)
    assert torch.allclose(local.log_det, -torch.logdet(expected), rtol=1e-12)


def test_the_position_gradient_equals_finite_differences(metric: RiemannianMetric) -> None:
    position, momentum = random(4, D, seed=5), random(4, D, seed=6)

    def energy(z: Tensor) -> Tensor:
        inverse = plain_inverse_metric(metric, z)
        kinetic = 0.5 * torch.einsum("bi,bij,bj->b", momentum, inverse, momentum)
        return kinetic - 0.5 * torch.logdet(inverse)

    gradient = metric.position_gradient(position, momentum, metric.at(position))
    h = 1e-6
    for i in range(D):
        shift = h * torch.eye(D, dtype=torch.float64)[i]
        difference = (energy(position + shift) - energy(position - shift)) / (2 * h)
        assert torch.allclose(gradient[:, i], difference, rtol=1e-6, atol=1e-7)


def test_the_backward_pass_agrees_with_a_numerical_one(metric: RiemannianMetric) -> None:
    inputs = [random(4, D, seed=5), random(4, D, seed=6), metric.centroids, metric.packed]

    def outputs(z: Tensor, momentum: Tensor, centroids: Tensor, packed: Tensor) -> tuple[Tensor, ...]:
        own = RiemannianMetric(centroids, packed, metric.temperature, metric.regularization)
        local, gradient = own.at_with_gradient(z, momentum)
        return local.inverse, local.log_det, gradient

    assert torch.autograd.gradcheck(outputs, [value.clone().requires_grad_() for value in inputs])


def test_small_distances_far_from_the_origin_are_not_lost() -> None:
    far = torch.full((1, 16), 1000.0)
    near = far + 1e-3
    exact = ((near.double() - far.double()) ** 2).sum().item()
    assert squared_distances(far, near).item() == pytest.approx(exact, rel=1e-5)


def test_a_metric_that_is_not_positive_definite_is_nan_and_no_crash() -> None:
    matrices = torch.stack([torch.eye(2), torch.diag(torch.tensor([1.0, -1.0])), torch.full((2, 2), math.nan)])
    inverse, log_det = inverse_and_log_det(matrices)
    assert torch.equal(inverse[0], torch.eye(2))
    assert log_det[0] == 0
    assert inverse[1:].isnan().all()
    assert log_det[1:].isnan().all()


def test_overflow_stays_overflow() -> None:
    factors = torch.full((2, 2, 2), 1e30).tril()  # its square is infinite in float32
    metric = RiemannianMetric.from_factors(torch.zeros(2, 2), factors, 1.0, 0.1)
    assert not metric.at(torch.zeros(1, 2)).log_det.isfinite().any()
