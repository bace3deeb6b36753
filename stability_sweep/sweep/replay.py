"""Training a stored trial again, comparing the two runs, and saving the step that broke."""

from __future__ import annotations

import io
from dataclasses import dataclass

import torch

from stability_sweep.data.images import Images
from stability_sweep.outcome import TrialResult
from stability_sweep.storage import StoredStudy, StoredTrial
from stability_sweep.sweep.provenance import differences, provenance_here
from stability_sweep.telemetry import Telemetry
from stability_sweep.training import TelemetryRecorder, TrainingRun, train


@dataclass(frozen=True)
class Replay:
    """A stored trial beside its repetition here."""

    then: TrialResult
    run: TrainingRun
    differences: list[str]
    """What differs between the two places (torch, device, threads, processor), one line each."""
    compared_steps: int
    """How many steps both runs have telemetry of."""
    first_difference: int | None
    """The first of those in which any signal differs in any bit."""

    @property
    def here(self) -> TrialResult:
        """The result of the repetition."""
        return self.run.result

    @property
    def same_end(self) -> bool:
        """Whether both ended in the same step in the same way."""
        return (self.then.outcome, self.then.steps) == (self.here.outcome, self.here.steps) and (
            self.then.divergence is None
            or self.here.divergence is None
            or self.then.divergence.signal is self.here.divergence.signal
        )

    @property
    def same_bits(self) -> bool:
        """Whether every number that can be compared is the same to the last bit."""
        return (
            self.same_end
            and self.first_difference is None
            and self.compared_steps > 0
            and self.then.validation_loss == self.here.validation_loss
        )


def replay(study: StoredStudy, trial: StoredTrial, telemetry: Telemetry | None, images: Images) -> Replay:
    """Train a finished trial again from its seed, on the device of the images and with torch's current threads.

    Raises:
        StudyError: if the trial has no outcome yet.
    """
    stored = trial.finished()
    recorder = TelemetryRecorder()
    config = study.effective_definition.at(trial.point)
    run = train(config, images, seed=stored.result.seed, recorder=recorder)
    again = recorder.telemetry()
    return Replay(
        then=stored.result,
        run=run,
        differences=differences(stored.provenance, provenance_here(images.training.device)),
        compared_steps=0 if telemetry is None else len(set(telemetry.steps) & set(again.steps)),
        first_difference=None if telemetry is None else telemetry.first_difference(again),
    )


def broken_step_bytes(run: TrainingRun) -> bytes:
    """The step that broke as a file for ``torch.load(..., weights_only=True)``.

    A dictionary with ``step``, ``model`` (the settings), ``state_dict`` (the last good weights), and ``images``,
    ``latent_noise`` and ``momentum_noise``, lists with one tensor per micro-batch.
    """
    broken = run.broken_step
    assert broken is not None
    content = {
        "step": run.result.steps,
        "model": broken.model.config.model_dump(mode="json"),
        "state_dict": {name: value.detach().cpu() for name, value in broken.model.state_dict().items()},
        "images": [done.images.cpu() for done in broken.passes],
        "latent_noise": [done.latent_noise.cpu() for done in broken.passes],
        "momentum_noise": [done.momentum_noise.cpu() for done in broken.passes],
        "torch_version": str(torch.__version__),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


SCRIPT_BEGINS = '"""Repeats step '
"""What tells such a script from other programs."""

SCRIPT = '''\
"""Repeats step {step} of trial {number} of study {study}: the loss or a gradient is not finite."""
from pathlib import Path
import torch
from stability_sweep.models import RHVAE, RHVAEConfig
saved = torch.load(Path(__file__).with_name({file!r}), weights_only=True)
model = RHVAE(RHVAEConfig(**saved["model"])).to(getattr(torch, saved["model"]["precision"]))
model.load_state_dict(saved["state_dict"])
for batch in zip(saved["images"], saved["latent_noise"], saved["momentum_noise"], strict=True):
    (loss := model.loss(batch[0], latent_noise=batch[1], momentum_noise=batch[2])).backward()
print(loss.item(), [name for name, p in model.named_parameters() if not p.grad.isfinite().all()])
'''
"""What is written beside a saved step."""
