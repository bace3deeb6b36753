"""The yardstick: −log p(x) by importance sampling, of the decoder and the prior alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from stability_sweep.targets.rhvae.model import RHVAE
from stability_sweep.targets.rhvae.settings import RHVAEConfig
from stability_sweep.targets.rhvae.yardstick import negative_log_likelihood

PIXELS = 784


class Line(nn.Module):
    """x̂ = W z + b: then x is normal with covariance W Wᵀ + I, and log p(x) is known."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = weight, bias

    def forward(self, z: Tensor) -> Tensor:
        return torch.addmm(self.bias, z, self.weight.T)


class Guess(nn.Module):
    """An encoder that answers the same for every image."""

    def __init__(self, mean: float, log_variance: float) -> None:
        super().__init__()
        self._answer = mean, log_variance

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self._answer
        return torch.full((len(images), 2), mean), torch.full((len(images), 2), log_variance)


def model_with(encoder: nn.Module, decoder: nn.Module) -> RHVAE:
    model = RHVAE(RHVAEConfig(latent_dim=2))
    model.encoder, model.decoder = encoder, decoder
    return model.eval()


def line_and_images() -> tuple[Line, Tensor]:
    generator = torch.Generator().manual_seed(1)
    line = Line(torch.randn((PIXELS, 2), generator=generator) * 0.05, torch.rand(PIXELS, generator=generator))
    latents = torch.randn((20, 2), generator=generator)
    return line, line(latents) + torch.randn((20, PIXELS), generator=generator)


def exact(line: Line, images: Tensor) -> Tensor:
    """−log N(x; b, W Wᵀ + I) without the constant D/2 log 2π, as the loss leaves it out."""
    covariance = line.weight @ line.weight.T + torch.eye(PIXELS)
    normal = torch.distributions.MultivariateNormal(line.bias, covariance)
    density: Tensor = normal.log_prob(images)
    return -density - PIXELS / 2 * math.log(2 * math.pi)


@pytest.mark.parametrize("encoder", [Guess(0.0, 0.0), Guess(0.5, -1.0)])
def test_it_is_minus_the_log_likelihood_whatever_the_encoder(encoder: Guess) -> None:
    line, images = line_and_images()
    found = negative_log_likelihood(model_with(encoder, line), images, torch.Generator().manual_seed(2), samples=20_000)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found.float(), exact(line, images), atol=0.1, rtol=0)


def test_an_encoder_that_is_sure_of_the_wrong_place_makes_it_poor_and_not_infinite() -> None:
    line, images = line_and_images()
    wrong = model_with(Guess(30.0, -20.0), line)
    found = negative_log_likelihood(wrong, images, torch.Generator().manual_seed(2), samples=2000)
    torch.testing.assert_close(found.float(), exact(line, images), atol=1.0, rtol=0)


def test_it_does_not_depend_on_the_size_of_the_batches_that_the_metric_remembers() -> None:
    images = torch.rand((64, PIXELS), generator=torch.Generator().manual_seed(3))
    losses, yardsticks = [], []
    for batch in (16, 64):
        torch.manual_seed(0)
        model = RHVAE(RHVAEConfig(latent_dim=4, n_lf=3, eps_lf=1e-2))
        for _ in range(20):
            model.forward_pass(images[:batch])  # no weight moves; the metric remembers
        model.eval()
        losses.append(float(model.loss(images, generator=torch.Generator().manual_seed(4)).detach()))
        yardsticks.append(negative_log_likelihood(model, images, torch.Generator().manual_seed(4)).mean().item())
    assert yardsticks[0] == yardsticks[1]
    assert abs(losses[0] - losses[1]) > 1.0  # pythae's figure does


def test_networks_that_broke_are_told() -> None:
    _, images = line_and_images()
    broken = model_with(Guess(math.nan, 0.0), Line(torch.zeros((PIXELS, 2)), torch.zeros(PIXELS)))
    assert not negative_log_likelihood(broken, images, torch.Generator().manual_seed(2)).isfinite().any()
