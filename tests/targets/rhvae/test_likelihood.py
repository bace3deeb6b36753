from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy

from stability_sweep.targets.rhvae.decoding import decode_one_hidden_layer
from stability_sweep.targets.rhvae.likelihood import LIKELIHOODS


def random(*shape: int, seed: int) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ["mse", "bce"])
def test_the_slope_and_its_derivative_are_those_of_the_density(name: str) -> None:
    likelihood = LIKELIHOODS[name]
    reconstruction, images = random(3, 6, seed=0) * 0.8 + 0.1, random(3, 6, seed=1)
    h = 1e-6
    up, down = reconstruction + h, reconstruction - h
    per_pixel = [likelihood.log_density(r.reshape(-1, 1), images.reshape(-1, 1)).view(3, 6) for r in (up, down)]
    assert torch.allclose(likelihood.slope(reconstruction, images), -(per_pixel[0] - per_pixel[1]) / (2 * h), rtol=1e-6)
    derivative = likelihood.slope_derivative(reconstruction, images)
    numeric = (likelihood.slope(up, images) - likelihood.slope(down, images)) / (2 * h)
    assert torch.allclose(numeric, torch.ones_like(numeric) if derivative is None else derivative, rtol=1e-6)


def test_the_gaussian_is_half_the_squared_distance() -> None:
    log_density = LIKELIHOODS["mse"].log_density(torch.tensor([[0.5, 0.25]]), torch.tensor([[1.0, 0.25]]))
    assert log_density.item() == -0.125


def test_the_bernoulli_equals_torch_also_where_the_sigmoid_saturates() -> None:
    reconstruction = torch.tensor([[0.0, 1.0, 1e-30, 1 - 1e-7, 0.3]], requires_grad=True)
    images = torch.tensor([[1.0, 0.0, 0.5, 0.5, 0.3]])
    theirs = binary_cross_entropy(reconstruction, images, reduction="sum")
    assert torch.equal(-LIKELIHOODS["bce"].log_density(reconstruction, images).sum(), theirs)
    (their_slope,) = torch.autograd.grad(theirs, reconstruction, create_graph=True)
    assert torch.allclose(LIKELIHOODS["bce"].slope(reconstruction, images), their_slope, rtol=1e-6)
    (their_derivative,) = torch.autograd.grad(their_slope.sum(), reconstruction)
    ours = LIKELIHOODS["bce"].slope_derivative(reconstruction.detach(), images)
    assert ours is not None
    assert torch.allclose(ours, their_derivative, rtol=1e-6)


def test_a_nan_gives_nan_and_no_error() -> None:
    nan, one = torch.tensor([[math.nan]]), torch.tensor([[1.0]])
    assert LIKELIHOODS["bce"].log_density(nan, one).isnan().all()
    assert LIKELIHOODS["bce"].slope(nan, one).isnan().all()


@pytest.mark.parametrize("name", ["mse", "bce"])
def test_the_decoder_gradient_and_its_backward_pass_agree_with_autograd(name: str) -> None:
    torch.manual_seed(0)
    hidden, output = nn.Linear(3, 8).double(), nn.Linear(8, 6).double()
    latent, images = random(4, 3, seed=2).requires_grad_(), random(4, 6, seed=3)
    weights = random(4, 3, seed=4)
    inputs = [latent, *hidden.parameters(), *output.parameters()]
    ours = decode_one_hidden_layer(latent, images, hidden, output, name)
    reconstruction = torch.sigmoid(output(torch.relu(hidden(latent))))
    density = LIKELIHOODS[name].log_density(reconstruction, images)
    (gradient,) = torch.autograd.grad(-density.sum(), latent, create_graph=True)
    assert torch.allclose(ours.log_likelihood, density, rtol=1e-14)
    assert torch.allclose(ours.gradient, gradient, rtol=1e-12)
    own = torch.autograd.grad((ours.gradient * weights).sum() + 2 * ours.log_likelihood.sum(), inputs)
    plain = torch.autograd.grad((gradient * weights).sum() + 2 * density.sum(), inputs)
    assert all(torch.allclose(a, b, rtol=1e-10, atol=1e-14) for a, b in zip(own, plain, strict=True))
