"""Training beside pythae with equal weights, batches and noise: divergence in the same step."""

from __future__ import annotations

import pytest
import torch

from stability_sweep.models import RHVAEConfig
from stability_sweep.targets.images.images import load_images
from stability_sweep.targets.images.settings import DataConfig
from tests.targets.rhvae.reference import divergence_steps

pytestmark = pytest.mark.parity


@pytest.mark.parametrize(
    ("batch_size", "learning_rate", "eps_lf"), [(64, 5e-2, 1e-3), (16, 3e-2, 1e-3), (64, 1e-2, 1e-2), (16, 8e-3, 1e-2)]
)
def test_a_run_that_diverges_within_20_steps_does_so_in_pythaes_step(
    batch_size: int, learning_rate: float, eps_lf: float
) -> None:
    config = RHVAEConfig(latent_dim=16, n_lf=1, eps_lf=eps_lf, regularization=1e-3)
    data = DataConfig(dataset="digits", training_images=1000, validation_images=1)
    images = load_images(data, None, torch.device("cpu")).training
    steps = [
        divergence_steps(
            config, images, learning_rate=learning_rate, batch_size=batch_size, horizon=20, seed=seed
        )
        for seed in range(5)
    ]  # fmt: skip
    assert all(theirs == ours for theirs, ours in steps), steps
    assert any(theirs is not None for theirs, _ in steps)
