"""The tables of a definition: the model's, the data's, the training's, the sampler's and the budget's settings.

They are validated and frozen, and import no engine: a definition, a report or a test can hold them without torch.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import AllowInfNan, BeforeValidator, Field, PlainSerializer, model_validator
from typing_extensions import Self

from stability_sweep.search_space import OFF, Frozen

SMALLEST_SAFE_BATCH = 16

AVAILABLE_IMAGES = {"mnist": 60_000, "digits": 1_797}
"""Images per data set (of MNIST, its training set); training takes them from the start, validation from the end."""


NETWORK_PATTERN = r"^(mlp|conv|resnet|[A-Za-z_]\w*(\.\w+)*:[A-Za-z_]\w*)$"

OffOrPositive = Annotated[
    float,
    AllowInfNan(True),
    Field(gt=0),
    BeforeValidator(lambda value: math.inf if value == OFF else value),
    PlainSerializer(lambda value: OFF if math.isinf(value) else value, return_type=float | str, when_used="json"),
]
"""A positive number, or infinity, which is written "off"."""


class RHVAEConfig(Frozen):
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
    precision: Literal["float32", "float64"] = "float32"


class TrainingSettings(Frozen):
    """Everything about training but the three dimensions that every study has: the table ``[training]``."""

    horizon_steps: int | None = Field(default=None, ge=1)
    """Optimizer steps of a trial to which nothing happens; give this or `horizon_epochs`."""
    horizon_epochs: float | None = Field(default=None, gt=0)
    """The same in passes over the training images, so that small batches take more steps."""
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    weight_decay: float = Field(default=0.0, ge=0)
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """Momentum of SGD; Adam and AdamW ignore it."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps over which the learning rate grows linearly to its full value."""
    schedule: Literal["constant", "cosine", "plateau"] = "constant"
    plateau_patience_steps: int = Field(default=100, ge=1)
    """Steps without a new lowest loss after which the plateau schedule divides the learning rate."""
    plateau_factor: float = Field(default=0.5, gt=0, lt=1)
    accumulation_steps: int = Field(default=1, ge=1)
    """Micro-batches of `batch_size` images per optimizer step. Each has a Riemannian metric of its own."""

    compile: Literal["off", "default", "reduce-overhead"] = "off"
    """Mode of ``torch.compile`` for the forward and backward pass; needs a C++ compiler."""

    @model_validator(mode="after")
    def _check_one_horizon(self) -> Self:
        if (self.horizon_steps is None) == (self.horizon_epochs is None):
            given = "neither" if self.horizon_steps is None else "both"
            raise ValueError(f"expected one of horizon_steps and horizon_epochs, got {given}")
        return self


class TrainingConfig(TrainingSettings):
    """Everything about the training of one trial."""

    learning_rate: float = Field(gt=0)
    batch_size: int = Field(ge=1)
    """Images per micro-batch: the number that the RHVAE's metric couples."""
    clip_norm: OffOrPositive = math.inf
    """Largest L2 norm of the whole gradient; infinity switches clipping off."""

    def horizon(self, training_images: int) -> int:
        """Number of optimizer steps, given the number of training images (an incomplete last step is dropped).

        Raises:
            ValueError: if one step needs more images than there are, or the horizon is beyond all numbers.
        """
        images_per_step = self.batch_size * self.accumulation_steps
        if images_per_step > training_images:
            raise ValueError(
                f"one step takes batch_size x accumulation_steps = {images_per_step} images, "
                f"but there are {training_images} training images"
            )
        if self.horizon_steps is not None:
            return self.horizon_steps
        assert self.horizon_epochs is not None
        steps = self.horizon_epochs * (training_images // images_per_step)
        if math.isinf(steps):
            raise ValueError(f"horizon_epochs = {self.horizon_epochs} makes the horizon too long; use a smaller one")
        return max(1, round(steps))


class DataConfig(Frozen):
    """Which images are trained on: the table ``[data]``."""

    dataset: Literal["mnist", "digits"] = "mnist"
    fallback: Literal["digits"] | None = None
    """What a new study takes, with a notice, where MNIST is not to be had. The choice is stored with the study."""
    training_images: int = Field(default=10_000, ge=1)
    validation_images: int = Field(default=1_000, ge=1)

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        available = AVAILABLE_IMAGES[self.dataset]
        asked = self.training_images + self.validation_images
        if asked > available:
            raise ValueError(
                f"training_images + validation_images must be at most {available} for {self.dataset}, got {asked}"
            )
        return self

    def on(self, dataset: Literal["mnist", "digits"]) -> DataConfig:
        """The same settings on another data set, with as many training images as it can give."""
        room = AVAILABLE_IMAGES[dataset] - self.validation_images
        return DataConfig(
            dataset=dataset,
            training_images=min(self.training_images, room),
            validation_images=self.validation_images,
        )


class OutcomeConfig(Frozen):
    """Where the outcomes of finite runs begin and end: the table ``[outcome]``."""

    stalled_below: float = Field(default=0.1, ge=0)
    """Smallest gain, (first - final) / |first|, that counts as learning."""
    exploded_above: float = Field(default=0.1, ge=0)
    """A run exploded if its final loss lies above its first by more than this multiple of |first|."""
    window_steps: int = Field(default=20, ge=1)
    """`final_loss` is the median over this many last steps (at most a tenth of the horizon)."""


class TrialConfig(Frozen):
    """Everything that decides a trial but its seed."""

    model: RHVAEConfig
    training: TrainingConfig
    data: DataConfig
    outcome: OutcomeConfig


class SamplerConfig(Frozen):
    """How points are chosen: the table ``[sampler]``."""

    name: Literal["boundary", "qmc", "random", "grid", "tpe"] = "boundary"
    seed: int | None = Field(default=None, ge=0, lt=2**32)
    """Seed of the points; the study's seed if absent."""
    grid_levels: int = Field(default=5, ge=2, le=10_000)
    """Values per range for the grid sampler; choices are all taken."""

    @property
    def looks_at_results(self) -> bool:
        """Whether earlier results decide where later trials are."""
        return self.name in ("boundary", "tpe")


class BudgetConfig(Frozen):
    """How much is run: the table ``[budget]``. Only `repeats` is part of the fingerprint."""

    trials: int = Field(default=100, ge=1)
    """Trials of the whole study, whatever their outcome, over all workers and sessions."""
    repeats: int = Field(default=1, ge=1)
    """Trials (each with a seed of its own) at every sampled point."""
    timeout_seconds: float | None = Field(default=None, gt=0)
    """A session of `run` or `worker` ends after this time."""
    precision: float | None = Field(default=None, gt=0)
    """The study ends sooner when the 50% line is known to within so many decades of the learning rate, everywhere."""
