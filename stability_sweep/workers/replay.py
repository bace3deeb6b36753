"""Training a stored trial again, comparing the two runs, and saving the step that broke."""

from __future__ import annotations

import io
from dataclasses import dataclass

import torch

from stability_sweep.engine import TelemetryRecorder, TrainingRun
from stability_sweep.results.outcome import TrialResult
from stability_sweep.results.telemetry import Telemetry
from stability_sweep.storage import StoredStudy, StoredTrial
from stability_sweep.targets.protocol import Prepared
from stability_sweep.workers.provenance import differences, provenance_here


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
            or self.then.divergence.symptom is self.here.divergence.symptom
        )

    @property
    def same_bits(self) -> bool:
        """Whether every number that can be compared is the same to the last bit."""
        return (
            self.same_end
            and self.first_difference is None
            and self.compared_steps > 0
            and self.then.validation_loss == self.here.validation_loss
            and self.then.yardstick in (None, self.here.yardstick)  # older versions measured none
        )


def replay(study: StoredStudy, trial: StoredTrial, telemetry: Telemetry | None, prepared: Prepared) -> Replay:
    """Train a finished trial again from its seed, with torch's current threads.

    Args:
        study: the study.
        trial: the trial.
        telemetry: what it has kept of its steps.
        prepared: the study's target on the device to use.

    Raises:
        StudyError: if the trial has no outcome yet.
    """
    stored = trial.finished()
    recorder = TelemetryRecorder()
    config = study.effective_definition.at(trial.point)
    run = prepared.run(config, seed=stored.result.seed, recorder=recorder)
    again = recorder.telemetry()
    return Replay(
        then=stored.result,
        run=run,
        differences=differences(stored.provenance, provenance_here(prepared.device)),
        compared_steps=0 if telemetry is None else len(set(telemetry.steps) & set(again.steps)),
        first_difference=None if telemetry is None else telemetry.first_difference(again),
    )


def broken_step_bytes(prepared: Prepared, run: TrainingRun) -> bytes:
    """The step that broke as a file for ``torch.load(..., weights_only=True)``; the target says what is in it."""
    buffer = io.BytesIO()
    torch.save(dict(prepared.broken_step(run)), buffer)
    return buffer.getvalue()


SCRIPT_BEGINS = '"""Repeats step '
"""What tells a reproducer from other programs: every target's begins like this."""
