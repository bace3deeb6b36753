"""The tables of a definition that the engine reads: how a trial is trained, and how its end is judged.

They are validated and frozen, and import no engine: a definition, a report or a test can hold them without torch.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from stability_sweep.space.dimensions import LATER, Frozen, GrownTable
from stability_sweep.space.off import OffOrPositive


class TrainingSettings(GrownTable):
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

    outlier_gradient: Annotated[Literal["keep", "skip", "clip"], LATER] = "keep"
    """What happens to a step whose gradient's norm is an outlier: see `engine.outliers`."""
    outlier_z: Annotated[float, LATER] = Field(default=2.5, gt=0)
    """An outlier lies more than so many standard deviations above the mean of the norms."""
    outlier_decay: Annotated[float, LATER] = Field(default=0.97, gt=0, lt=1)
    """Of the moving averages of the norm's mean and variance, per step."""
    outlier_warmup_steps: Annotated[int, LATER] = Field(default=25, ge=2)
    """The first steps, in which there are no outliers; the averages begin with their norms."""
    adaptive_clipping: Annotated[Literal["none", "agc", "adagc"], LATER] = "none"
    """Clipping part by part of the model, after clipping by norm: see `engine.adaptive_clipping`."""
    agc_ratio: Annotated[float, LATER] = Field(default=0.01, gt=0)
    """λ of AGC: the largest ratio of a unit's gradient to its weights, in norms."""
    agc_smallest_norm: Annotated[float, LATER] = Field(default=1e-3, gt=0)
    """ε of AGC: the weights of a unit count as at least so large."""
    adagc_ratio: Annotated[float, LATER] = Field(default=1.05, ge=1)
    """λ of AdaGC: the largest ratio of a parameter's gradient to its moving average, in norms."""
    adagc_decay: Annotated[float, LATER] = Field(default=0.98, gt=0, lt=1)
    """β of AdaGC's moving average, per step."""
    adagc_warmup_steps: Annotated[int, LATER] = Field(default=100, ge=1)
    """The first steps, in which AdaGC only looks for the smallest norm."""
    rollback_allowance: Annotated[int, LATER] = Field(default=0, ge=0)
    """So many times a run goes back to its last good weights, with a smaller learning rate, instead of diverging."""
    rollback_snapshot_steps: Annotated[int, LATER] = Field(default=100, ge=1)
    """Every so many steps the weights are kept to go back to."""
    rollback_rate_factor: Annotated[float, LATER] = Field(default=0.5, gt=0, le=1)
    """What every rollback multiplies the learning rate by."""
    rollback_on_spikes: Annotated[bool, LATER] = False
    """Whether a spike of the loss, too, is a reason to go back, as long as the allowance lasts."""
    spike_restart_steps: Annotated[int, LATER] = Field(default=0, ge=0)
    """Steps over which the learning rate grows again to its full value after a spike of the loss; 0 is off."""
    spike_window_steps: Annotated[int, LATER] = Field(default=25, ge=3)
    """The two settings above compare a loss with so many losses before it: see `engine.spikes`."""
    spike_sigmas: Annotated[float, LATER] = Field(default=8.0, gt=0)
    """A spike lies so many robust standard deviations above their median."""

    @property
    def needs_every_loss(self) -> bool:
        """Whether what a step does depends on the losses of all before it, so that none may wait to be read."""
        return self.schedule == "plateau" or self.rollback_allowance > 0 or self.spike_restart_steps > 0

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


class OutcomeConfig(Frozen):
    """Where the outcomes of finite runs begin and end: the table ``[outcome]``."""

    stalled_below: float = Field(default=0.1, ge=0)
    """Smallest gain, (first - final) / |first|, that counts as learning."""
    exploded_above: float = Field(default=0.1, ge=0)
    """A run exploded if its final loss lies above its first by more than this multiple of |first|."""
    window_steps: int = Field(default=20, ge=1)
    """`final_loss` is the median over this many last steps (at most a tenth of the horizon)."""
