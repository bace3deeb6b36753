"""The same loss and gradients as pythae 0.1.2, from the same weights and noise."""

from __future__ import annotations

import pytest
import torch

from stability_sweep.models import RHVAEConfig
from tests.models.reference import hold_momentum_fixed, make_pair, pythae_loss, relative_error

pytestmark = pytest.mark.parity

IMAGES = {batch: torch.rand(batch, 784, generator=torch.Generator().manual_seed(3)) for batch in (1, 4, 7, 16, 128)}


def largest_errors(
    config: RHVAEConfig, batch: int, dtype: torch.dtype, *, momentum_fixed: bool = False
) -> tuple[float, float]:
    """Relative error of the loss, and the largest one of any parameter's gradient."""
    theirs, ours = make_pair(config, dtype)
    if momentum_fixed:
        hold_momentum_fixed(theirs)
    generator = torch.Generator().manual_seed(1)
    images = IMAGES[batch].to(dtype)
    noise = [torch.randn(batch, config.latent_dim, generator=generator, dtype=dtype) for _ in range(2)]
    their_loss = pythae_loss(theirs, images, *noise)
    our_loss = ours.loss(images, latent_noise=noise[0], momentum_noise=noise[1])
    their_loss.backward()
    our_loss.backward()
    gradients = {name: p.grad for name, p in theirs.named_parameters() if p.requires_grad and p.grad is not None}
    own = {name: p.grad for name, p in ours.named_parameters() if p.grad is not None}
    assert own.keys() == gradients.keys()
    # A bias before batch normalization has no gradient, only rounding: those are left out, in both.
    total = torch.nn.utils.get_total_norm(list(gradients.values())).item()
    felt = [name for name in own if max(own[name].norm().item(), gradients[name].norm().item()) > 1e-12 * total]
    errors = [relative_error(own[name], gradients[name]) for name in felt]
    return relative_error(our_loss, their_loss), max(errors)


@pytest.mark.parametrize("batch", [1, 7, 16, 128])
@pytest.mark.parametrize("latent_dim", [2, 10, 16])
@pytest.mark.parametrize("reconstruction_loss", ["mse", "bce"])
def test_loss_and_every_gradient_equal_pythae_in_float64(batch: int, latent_dim: int, reconstruction_loss: str) -> None:
    config = RHVAEConfig(latent_dim=latent_dim, n_lf=1, reconstruction_loss=reconstruction_loss)  # type: ignore[arg-type]
    loss, gradient = largest_errors(config, batch, torch.float64)
    assert loss <= 1e-10
    assert gradient <= 1e-10


@pytest.mark.parametrize("reconstruction_loss", ["mse", "bce"])
@pytest.mark.parametrize(("temperature", "regularization"), [(0.3, 1e-3), (1.5, 1e-1)])
def test_the_metric_settings_mean_the_same_as_in_pythae(
    reconstruction_loss: str, temperature: float, regularization: float
) -> None:
    config = RHVAEConfig(
        n_lf=1,
        temperature=temperature,
        regularization=regularization,
        beta_zero=0.5,
        eps_lf=2e-3,
        reconstruction_loss=reconstruction_loss,  # type: ignore[arg-type]
    )
    assert max(largest_errors(config, 16, torch.float64)) <= 1e-10


def test_loss_and_gradients_are_close_in_float32() -> None:
    assert max(largest_errors(RHVAEConfig(latent_dim=16, n_lf=1), 16, torch.float32)) <= 1e-4


@pytest.mark.parametrize("n_lf", [2, 3])
def test_several_leapfrog_steps_equal_pythae_with_the_momentum_held_fixed(n_lf: int) -> None:
    config = RHVAEConfig(latent_dim=10, n_lf=n_lf, eps_lf=5e-2)
    assert max(largest_errors(config, 16, torch.float64, momentum_fixed=True)) <= 1e-10


@pytest.mark.parametrize("network", ["conv", "resnet"])
def test_the_tutorials_networks_equal_pythae(network: str) -> None:
    config = RHVAEConfig(latent_dim=16, n_lf=1, encoder=network, decoder=network)
    assert max(largest_errors(config, 4, torch.float64)) <= 1e-10


@pytest.mark.parametrize("latent_dim", [2, 10, 16])
def test_saturated_pixels_do_not_spoil_the_equality(latent_dim: int) -> None:
    config = RHVAEConfig(latent_dim=latent_dim, n_lf=1, eps_lf=5e-2, reconstruction_loss="bce")
    assert max(largest_errors(config, 16, torch.float64)) <= 1e-10


def test_evaluation_uses_the_remembered_metric_as_pythae_does() -> None:
    config = RHVAEConfig(latent_dim=4, n_lf=1)
    theirs, ours = make_pair(config, torch.float64)
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        images = torch.rand(16, 784, generator=generator, dtype=torch.float64)
        noise = [torch.randn(16, 4, generator=generator, dtype=torch.float64) for _ in range(2)]
        pythae_loss(theirs, images, *noise)
        ours.loss(images, latent_noise=noise[0], momentum_noise=noise[1])
    theirs.update()
    hold_momentum_fixed(theirs)
    theirs.eval()
    ours.eval()
    their_loss = pythae_loss(theirs, images, *noise)
    our_loss = ours.loss(images, latent_noise=noise[0], momentum_noise=noise[1])
    assert relative_error(our_loss, their_loss) <= 1e-10
