from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from stability_sweep.models import RHVAE, RHVAEConfig
from stability_sweep.targets.rhvae.model import REMEMBERED_BATCHES


def test_noise_comes_from_the_generator_alone() -> None:
    model = RHVAE(RHVAEConfig(latent_dim=2))
    images = torch.rand(4, 784)
    first, second, other = (
        model.loss(images, generator=torch.Generator().manual_seed(seed)).item() for seed in (1, 1, 2)
    )
    assert first == second != other


def test_evaluation_of_an_image_does_not_depend_on_its_neighbours() -> None:
    model = RHVAE(RHVAEConfig(latent_dim=2))
    images, noise = torch.rand(8, 784), torch.randn(2, 8, 2)
    model.loss(images)
    model.eval()
    together = model.forward_pass(images, latent_noise=noise[0], momentum_noise=noise[1]).losses
    alone = model.forward_pass(images[:1], latent_noise=noise[0, :1], momentum_noise=noise[1, :1]).losses
    assert torch.allclose(together[:1], alone, rtol=1e-5)


def test_evaluation_before_any_training_is_defined() -> None:
    model = RHVAE(RHVAEConfig(latent_dim=2)).eval()
    assert model.loss(torch.rand(3, 784)).isfinite()


def test_only_the_last_batches_are_remembered() -> None:
    model = RHVAE(RHVAEConfig(latent_dim=2, n_lf=1))
    for _ in range(REMEMBERED_BATCHES + 5):
        model.loss(torch.rand(2, 784))
    assert len(model._remembered) == REMEMBERED_BATCHES
    assert not any(tensor.requires_grad for pair in model._remembered for tensor in pair)


class _LargestTensor(TorchDispatchMode):
    """Watches every operation for the largest tensor that it makes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return result


@pytest.mark.parametrize("n_lf", [1, 3])
def test_no_tensor_of_batch_squared_times_d_squared_is_ever_made(n_lf: int) -> None:
    batch, d = 512, 16
    model = RHVAE(RHVAEConfig(latent_dim=d, n_lf=n_lf))
    with _LargestTensor() as largest:
        model.loss(torch.rand(batch, 784)).backward()
    assert largest.elements <= 2 * batch * max(batch, 784)
    assert largest.elements < batch * batch * d
