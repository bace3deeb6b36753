"""The same loss and gradients as pythae 0.1.2, from the same weights and noise."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from stability_sweep.models import RHVAE, RHVAEConfig
from tests.targets.rhvae.reference import hold_momentum_fixed, make_pair, pythae_loss, relative_error

pytestmark = pytest.mark.parity

IMAGES = {batch: torch.rand(batch, 784, generator=torch.Generator().manual_seed(3)) for batch in (1, 4, 7, 16, 128)}
METRICS = list(itertools.product((0.3, 1.5), (1e-3, 1e-1)))
"""Temperatures and regularizations."""


def pair_of(config: RHVAEConfig, dtype: torch.dtype) -> tuple[Any, RHVAE]:
    theirs, ours = make_pair(config, dtype)
    hold_momentum_fixed(theirs)
    return theirs, ours


def case_of(config: RHVAEConfig, batch: int, dtype: torch.dtype) -> list[Tensor]:
    """Images and both noises; in every type the same numbers."""
    generator = torch.Generator().manual_seed(1)
    noise = [torch.randn(batch, config.latent_dim, generator=generator) for _ in range(2)]
    return [tensor.to(dtype) for tensor in (IMAGES[batch], *noise)]


def gradients_of(model: torch.nn.Module, loss: Tensor) -> dict[str, Tensor]:
    """The loss and every gradient, by name."""
    model.zero_grad()
    loss.backward()
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return {"loss": loss.detach(), **found}


def their_numbers(model: Any, images: Tensor, *noise: Tensor) -> dict[str, Tensor]:
    return gradients_of(model, pythae_loss(model, images, *noise))


def our_numbers(model: RHVAE, images: Tensor, *noise: Tensor) -> dict[str, Tensor]:
    return gradients_of(model, model.loss(images, latent_noise=noise[0], momentum_noise=noise[1]))


def largest_error(numbers: dict[str, Tensor], reference: dict[str, Tensor]) -> float:
    """Largest relative error of the loss and of any parameter's gradient."""
    assert numbers.keys() == reference.keys()
    numbers, reference = ({name: value.double() for name, value in each.items()} for each in (numbers, reference))
    broken = {name for name, value in reference.items() if not value.isfinite().all()}
    if broken != {name for name, value in numbers.items() if not value.isfinite().all()}:
        return math.inf  # overflow must stay overflow
    if broken:
        return max([relative_error(numbers[name], reference[name]) for name in reference.keys() - broken], default=0.0)
    total = torch.nn.utils.get_total_norm([value for name, value in reference.items() if name != "loss"]).item()
    # A bias before batch normalization has no gradient, only rounding: those are left out, in both.
    felt = [n for n in reference if max(numbers[n].norm().item(), reference[n].norm().item()) > 1e-12 * total]
    return max(relative_error(numbers[name], reference[name]) for name in felt)


def check_float64(config: RHVAEConfig, batch: int) -> None:
    """At most 1e-10, or where pixels saturate what pythae itself changes by when the batch is in another order."""
    theirs, ours = pair_of(config, torch.float64)
    case = case_of(config, batch, torch.float64)
    reference = their_numbers(theirs, *case)
    error = largest_error(our_numbers(ours, *case), reference)
    if error > 1e-10:
        rounding = largest_error(their_numbers(theirs, *(tensor.flip(0) for tensor in case)), reference)
        assert error <= 10 * rounding, (config, batch)


def check_float32(config: RHVAEConfig, batch: int) -> None:
    """At most 1e-4, or 4 times what pythae in float32 is away from itself in float64."""
    theirs, ours = pair_of(config, torch.float32)
    case = case_of(config, batch, torch.float32)
    reference = their_numbers(theirs, *case)
    error = largest_error(our_numbers(ours, *case), reference)
    if error > 1e-4:
        theirs_exact, _ = pair_of(config, torch.float64)
        exact = their_numbers(theirs_exact, *case_of(config, batch, torch.float64))
        own_error = largest_error(reference, exact)
        assert largest_error(our_numbers(ours, *case), exact) <= 4 * own_error, (config, batch)


def config_of(**settings: Any) -> RHVAEConfig:
    return RHVAEConfig(**settings)


@pytest.mark.parametrize("eps_lf", [1e-3, 5e-2])
@pytest.mark.parametrize("batch", [1, 7, 16, 128])
@pytest.mark.parametrize("latent_dim", [2, 10, 16])
@pytest.mark.parametrize("reconstruction_loss", ["mse", "bce"])
def test_loss_and_every_gradient_equal_pythae(
    batch: int, latent_dim: int, reconstruction_loss: str, eps_lf: float
) -> None:
    for temperature, regularization in METRICS:
        config = config_of(
            latent_dim=latent_dim, n_lf=1, eps_lf=eps_lf, reconstruction_loss=reconstruction_loss,
            temperature=temperature, regularization=regularization,
        )  # fmt: skip
        check_float64(config, batch)
        check_float32(config, batch)


@pytest.mark.parametrize("n_lf", [2, 3, 5])
@pytest.mark.parametrize("latent_dim", [2, 10, 16])
@pytest.mark.parametrize("reconstruction_loss", ["mse", "bce"])
def test_several_leapfrog_steps_equal_pythae_with_the_momentum_held_fixed(
    n_lf: int, latent_dim: int, reconstruction_loss: str
) -> None:
    for batch, eps_lf, (temperature, regularization) in itertools.product((1, 7, 16), (1e-3, 5e-2), METRICS):
        config = config_of(
            latent_dim=latent_dim, n_lf=n_lf, eps_lf=eps_lf, reconstruction_loss=reconstruction_loss,
            temperature=temperature, regularization=regularization,
        )  # fmt: skip
        check_float64(config, batch)


@pytest.mark.parametrize("n_lf", [2, 3, 5])
def test_several_leapfrog_steps_equal_pythae_for_a_large_batch_and_in_float32(n_lf: int) -> None:
    config = config_of(latent_dim=10, n_lf=n_lf)
    check_float64(config, 128)
    check_float32(config, 128)


@pytest.mark.parametrize("network", ["conv", "resnet"])
def test_the_tutorials_networks_equal_pythae(network: str) -> None:
    check_float64(config_of(latent_dim=16, n_lf=1, encoder=network, decoder=network), 4)


@pytest.mark.parametrize("n_lf", [1, 3])
@pytest.mark.parametrize("latent_dim", [2, 10, 16])
@pytest.mark.parametrize("reconstruction_loss", ["mse", "bce"])
def test_evaluation_uses_the_remembered_metric_as_pythae_does(
    n_lf: int, latent_dim: int, reconstruction_loss: str
) -> None:
    config = config_of(latent_dim=latent_dim, n_lf=n_lf, reconstruction_loss=reconstruction_loss)
    theirs, ours = make_pair(config, torch.float64)
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        images = torch.rand(16, 784, generator=generator, dtype=torch.float64)
        noise = [torch.randn(16, latent_dim, generator=generator, dtype=torch.float64) for _ in range(2)]
        pythae_loss(theirs, images, *noise)
        ours.loss(images, latent_noise=noise[0], momentum_noise=noise[1])
    theirs.update()
    hold_momentum_fixed(theirs)
    theirs.eval()
    ours.eval()
    assert largest_error(our_numbers(ours, images, *noise), their_numbers(theirs, images, *noise)) <= 1e-10
