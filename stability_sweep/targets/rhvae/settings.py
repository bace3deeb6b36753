"""Settings of the RHVAE, and of one trial that trains it on images. They import no engine."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, field_validator

from stability_sweep.engine.settings import OutcomeConfig, TrainingConfig
from stability_sweep.space.dimensions import LATER, Frozen, GrownTable
from stability_sweep.space.off import OffOrPositive
from stability_sweep.targets.images.settings import DataConfig

SMALLEST_SAFE_BATCH = 16

NETWORK_PATTERN = r"^(mlp|conv|resnet|[A-Za-z_]\w*(\.\w+)*:[A-Za-z_]\w*)$"


class RHVAEConfig(GrownTable):
    """Settings of the Riemannian Hamiltonian VAE; names, meaning and defaults as in pythae 0.1.2.

    Source: Chadebec, Mantoux, Allassonnière, "Geometry-Aware Hamiltonian Variational Auto-Encoder",
    arXiv:2010.11518.
    """

    latent_dim: int = Field(default=10, ge=1, le=512)
    """d, the dimension of the latent space."""
    n_lf: int = Field(default=3, ge=1, le=100)
    """K, the number of leapfrog steps."""
    eps_lf: float = Field(default=1e-3, gt=0)
    """ε, the size of a leapfrog step."""
    beta_zero: float = Field(default=0.3, gt=0, le=1)
    """β₀, where tempering starts; 1 switches tempering off."""
    temperature: float = Field(default=1.5, gt=0)
    """T, the width of the metric's kernels in latent space."""
    regularization: float = Field(default=0.01, gt=0)
    """λ, added to the diagonal of the inverse metric."""
    reconstruction_loss: Literal["mse", "bce"] = "mse"
    """log p(x|z): a Gaussian of unit variance, or independent Bernoulli pixels."""
    encoder: str = Field(default="mlp", pattern=NETWORK_PATTERN)
    """``mlp``, ``conv``, ``resnet``, or the import path ``package.module:Class`` of a torch module."""
    decoder: str = Field(default="mlp", pattern=NETWORK_PATTERN)
    """As for the encoder."""
    activation: Literal["relu", "leaky_relu", "elu", "silu", "gelu", "tanh", "softplus"] = "relu"
    """Of the hidden units of the ``mlp`` networks and of the metric's; torch's functions with their defaults."""
    momentum_factor: Literal["network", "cholesky"] = "network"
    """Draw the momentum with the metric network's L(x) (pythae), or a Cholesky factor of G(z₀) (the paper)."""
    hamiltonian_gradient_cap: OffOrPositive = math.inf
    """Largest norm of ∂_zH in the leapfrog steps."""
    log_variance_clamp: OffOrPositive = math.inf
    """Largest |log σ²| of the encoder."""
    metric_log_diagonal_clamp: OffOrPositive = math.inf
    """Largest |log| of the diagonal of the metric's factors L."""
    metric_condition_cap: Annotated[OffOrPositive, LATER] = math.inf
    """Largest condition number of the inverse metric; see `RiemannianMetric.from_factors`."""
    precision: Literal["float32", "float64"] = "float32"

    @field_validator("metric_condition_cap")
    @classmethod
    def _check_condition_cap(cls, cap: float) -> float:
        if cap <= 1:
            raise ValueError(f"must be greater than 1, the condition number of the identity, got {cap}")
        return cap


class TrialConfig(Frozen):
    """Everything that decides a trial but its seed."""

    model: RHVAEConfig
    training: TrainingConfig
    data: DataConfig
    outcome: OutcomeConfig

    @property
    def horizon(self) -> int:
        """Optimizer steps of the trial if nothing happens.

        Raises:
            ValueError: if one step needs more images than there are, or the horizon is beyond all numbers.
        """
        return self.training.horizon(self.data.training_images)
