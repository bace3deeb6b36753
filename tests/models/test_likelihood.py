from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy

from stability_sweep.models.likelihood import LIKELIHOODS


@pytest.mark.parametrize("name", ["mse", "bce"])
def test_the_logit_gradient_is_the_derivative_of_the_likelihood(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 6, dtype=torch.float64, generator=generator, requires_grad=True)
    images = torch.rand(3, 6, dtype=torch.float64, generator=generator)
    log_likelihood, gradient = LIKELIHOODS[name](torch.sigmoid(logits), images)
    (expected,) = torch.autograd.grad(-log_likelihood.sum(), logits, retain_graph=True)
    assert torch.allclose(gradient, expected, rtol=1e-12)
    # ... and the gradient's own derivative is the second derivative.
    (second,) = torch.autograd.grad(gradient.sum(), logits)
    h = 1e-6
    numeric = (
        LIKELIHOODS[name](torch.sigmoid(logits + h), images)[1]
        - LIKELIHOODS[name](torch.sigmoid(logits - h), images)[1]
    ) / (2 * h)
    assert torch.allclose(second, numeric, rtol=1e-6, atol=1e-9)


def test_the_gaussian_is_half_the_squared_distance() -> None:
    log_likelihood, _ = LIKELIHOODS["mse"](torch.tensor([[0.5, 0.25]]), torch.tensor([[1.0, 0.25]]))
    assert log_likelihood.item() == -0.125


def test_the_bernoulli_equals_torch_also_where_the_sigmoid_saturates() -> None:
    reconstruction = torch.tensor([[0.0, 1.0, 1e-30, 1 - 1e-7, 0.3]], requires_grad=True)
    images = torch.tensor([[1.0, 0.0, 0.5, 0.5, 0.3]])
    ours, _ = LIKELIHOODS["bce"](reconstruction, images)
    theirs = -binary_cross_entropy(reconstruction, images, reduction="sum")
    assert torch.equal(ours.sum(), theirs)
    (our_gradient,) = torch.autograd.grad(ours.sum(), reconstruction)
    (their_gradient,) = torch.autograd.grad(theirs, reconstruction)
    assert torch.allclose(our_gradient, their_gradient, rtol=1e-6)


def test_a_nan_gives_nan_and_no_error() -> None:
    log_likelihood, gradient = LIKELIHOODS["bce"](torch.tensor([[math.nan]]), torch.tensor([[1.0]]))
    assert log_likelihood.isnan().all()
    assert gradient.isnan().all()
