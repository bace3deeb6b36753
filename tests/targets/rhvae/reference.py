"""pythae's RHVAE beside ours: equal weights, equal noise."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from stability_sweep.models import RHVAE, RHVAEConfig, load_pythae_state
from tests.conftest import unavailable


def import_pythae() -> Any:
    """pythae's models, without the warnings that importing them raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import pythae.models
        except ImportError:
            unavailable("pythae 0.1.2 is not installed")
    return pythae.models


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """pythae makes tensors of torch's default type while it runs."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def pythae_settings(config: RHVAEConfig) -> dict[str, Any]:
    """The settings that pythae has too."""
    names = ("latent_dim", "n_lf", "eps_lf", "beta_zero", "temperature", "regularization", "reconstruction_loss")
    return {name: getattr(config, name) for name in names}


def _network(name: str, settings: Any, kind: str = "VAE") -> Any:
    """pythae's network of that name (None: its default), as its tutorial imports it."""
    from pythae.models.nn.benchmarks import mnist

    part = "Encoder" if kind == "VAE" else "Decoder"
    label = {"conv": "Conv", "resnet": "ResNet"}
    return getattr(mnist, f"{part}_{label[name]}_{kind}_MNIST")(settings) if name in label else None


def make_pair(config: RHVAEConfig, dtype: torch.dtype, seed: int = 0) -> tuple[Any, RHVAE]:
    """A pythae model and ours with its weights, both in training mode."""
    models = import_pythae()
    with default_dtype(dtype), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        settings = models.RHVAEConfig(input_dim=(1, 28, 28), **pythae_settings(config))
        theirs = models.RHVAE(
            settings, encoder=_network(config.encoder, settings), decoder=_network(config.decoder, settings, "AE")
        )
        ours = RHVAE(config)
    load_pythae_state(ours, theirs.state_dict())
    return theirs.train(), ours.train()


def pythae_loss(model: Any, images: Tensor, latent_noise: Tensor, momentum_noise: Tensor) -> Tensor:
    """pythae's loss with given noise: it draws with `randn_like`, first for the latent, then for the momentum."""
    noise = iter([latent_noise, momentum_noise])
    with default_dtype(images.dtype), mock.patch("torch.randn_like", side_effect=lambda *args, **kwargs: next(noise)):
        loss = model({"data": images.view(-1, 1, 28, 28)}).loss
    assert isinstance(loss, Tensor)
    return loss


def hold_momentum_fixed(model: Any) -> None:
    """Close pythae's leak: its first half step also differentiates through the momentum's own dependence on z.

    That dependence exists wherever the momentum was computed from z: from the second leapfrog step on, and in
    evaluation mode (where it is drawn with a factor of G(z)) from the first. The Hamiltonian of the paper holds the
    momentum fixed, and so do we.
    """
    original = model._leap_step_1

    def with_fixed_momentum(recon: Tensor, x: Tensor, z: Tensor, momentum: Tensor, *rest: Any) -> Tensor:
        half_step = original(recon, x, z, momentum.detach().requires_grad_(), *rest)
        fixed: Tensor = momentum + (half_step - momentum).detach()
        return fixed

    model._leap_step_1 = with_fixed_momentum


def relative_error(ours: Tensor, theirs: Tensor) -> float:
    """‖ours − theirs‖ / ‖theirs‖."""
    scale = float(theirs.detach().norm())
    difference = float((ours.detach() - theirs.detach()).norm())
    return difference / scale if scale > 0 else difference


def divergence_steps(
    config: RHVAEConfig, images: Tensor, *, learning_rate: float, batch_size: int, horizon: int, seed: int
) -> tuple[int | None, int | None]:
    """The step at which pythae's loss and ours stop being finite (None: not up to the horizon), trained side by side.

    Equal weights, batches and noise for both, Adam without clipping. Where pythae raises an error for a NaN inside a
    distribution, that is its step.
    """
    generator = torch.Generator().manual_seed(seed)
    theirs, ours = make_pair(config, torch.float32, seed)
    optimizers = [torch.optim.Adam(model.parameters(), lr=learning_rate) for model in (theirs, ours)]
    found: list[int | None] = [None, None]
    for step in range(1, horizon + 1):
        batch = images[torch.randint(len(images), (batch_size,), generator=generator)]
        noise = [torch.randn(batch_size, config.latent_dim, generator=generator) for _ in range(2)]
        losses = [
            lambda batch=batch, noise=noise: pythae_loss(theirs, batch, *noise),
            lambda batch=batch, noise=noise: ours.loss(batch, latent_noise=noise[0], momentum_noise=noise[1]),
        ]
        for who in (0, 1):
            if found[who] is None and not _finite_step(losses[who], optimizers[who]):
                found[who] = step
        if None not in found:
            break
    return found[0], found[1]


def _finite_step(loss: Callable[[], Tensor], optimizer: torch.optim.Optimizer) -> bool:
    """One optimizer step; false if the loss is not finite."""
    try:
        value = loss()
    except (ValueError, RuntimeError):
        return False
    if not value.isfinite():
        return False
    optimizer.zero_grad()
    value.backward()
    optimizer.step()
    return True
