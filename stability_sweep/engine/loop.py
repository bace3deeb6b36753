"""One training run, stopped in the very step in which a loss or a gradient is not finite.

Its parts can be taken in hand one by one: `step.Stepper` moves the weights, `reader.LossReader` sees the losses and
finds the step that broke, `examination.examine` says why, `judge.judge` makes a result of it all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic

import numpy as np
import torch

from stability_sweep.engine.examination import examine
from stability_sweep.engine.judge import Evaluation, judge
from stability_sweep.engine.protocol import Pass, Trainable
from stability_sweep.engine.reader import LossReader
from stability_sweep.engine.recorder import STEPS_AT_ONCE, TelemetryRecorder
from stability_sweep.engine.rollback import Rollbacks
from stability_sweep.engine.run import BrokenStep, Progress, TrainingRun
from stability_sweep.engine.seeds import TrialSeeds
from stability_sweep.engine.signals import remedy_signals
from stability_sweep.engine.spikes import SpikeRule, SpikeWatch
from stability_sweep.engine.step import Step, Stepper
from stability_sweep.results.autopsy import Autopsy
from stability_sweep.results.outcome import Divergence, Symptom

ACCELERATOR_READ_EVERY_STEPS = 16
"""How many steps are read at once where reading makes the host wait for a device."""


def train(
    trainable: Trainable[Pass],
    *,
    seed: int,
    on_step: Callable[[Progress], None] | None = None,
    read_every_steps: int | None = None,
    recorder: TelemetryRecorder | None = None,
) -> TrainingRun:
    """Train one model from its seed to its horizon, or to the step in which it diverges.

    Args:
        trainable: what to train.
        seed: decides initialization, data order and noise. Equal settings, seed, device, thread count and torch
            version give equal losses at every step.
        on_step: called for every finite step; it may raise `StopTrainingError`.
        read_every_steps: how many steps run before their losses are read from the device and judged; the result does
            not depend on it. By default 1 on a CPU, 16 elsewhere; always 1 where a setting needs to know every loss.
        recorder: takes the telemetry of the run; what it has is there also when the run ends with an error.

    Raises:
        StopTrainingError: what `on_step` raised.
        ValueError: if the settings ask for more examples per step than there are.
    """
    return _Run(trainable, seed, read_every_steps, recorder).finish(on_step or (lambda progress: None))


class _Run(Generic[Pass]):
    def __init__(
        self,
        trainable: Trainable[Pass],
        seed: int,
        read_every_steps: int | None,
        recorder: TelemetryRecorder | None,
    ) -> None:
        self.trainable = trainable
        self.seed = seed
        self.seeds = TrialSeeds.of(seed)
        self.horizon = trainable.horizon
        self.stepper = Stepper(trainable, self.seeds)
        self.reader: LossReader[Pass] = LossReader()
        training = trainable.training
        self.rollbacks = Rollbacks(self.stepper, training, self.horizon) if training.rollback_allowance else None
        rule = SpikeRule(training.spike_window_steps, training.spike_sigmas)
        self.spikes = SpikeWatch(rule) if training.spike_restart_steps or training.rollback_on_spikes else None
        if training.needs_every_loss:
            read_every_steps = 1
        self.read_every_steps = read_every_steps or (
            1 if trainable.device.type == "cpu" else ACCELERATOR_READ_EVERY_STEPS
        )
        self.recorder = recorder
        if recorder is not None:
            recorder.start(
                self.stepper.model,
                trainable.signals,
                training.clip_norm,
                steps_at_once=1 if trainable.is_captured else STEPS_AT_ONCE,
                remedies=remedy_signals(training),
            )

    def finish(self, on_step: Callable[[Progress], None]) -> TrainingRun:
        started = time.perf_counter()
        self.stepper.model.train()
        found = self._until_broken(on_step)
        divergence = autopsy = broken = None
        evaluation = Evaluation()
        if found is not None:
            symptom, step = found
            autopsy = examine(self.stepper.model, self.trainable.probes, step.passes, step.number)
            divergence = _divergence(step, symptom, autopsy)
            broken = BrokenStep(self.stepper.model, step.passes)
        else:
            evaluation = self._evaluate()
        losses = np.array(self.reader.losses)
        result = judge(
            losses,
            divergence,
            self.trainable.outcome,
            seed=self.seed,
            horizon=self.horizon,
            evaluation=evaluation,
            wall_seconds=time.perf_counter() - started,
        )
        return TrainingRun(result, losses, autopsy, broken, self.stepper.schedule.rollbacks)

    def _evaluate(self) -> Evaluation:
        """The figures of a run that reached its horizon; the model that it began with is built once more for them."""
        trainable, model = self.trainable, self.stepper.model.eval()
        validation_loss = trainable.validate(model, self._noise(self.seeds.validation))
        yardstick = trainable.yardstick(model, self._noise(self.seeds.yardstick))
        if yardstick is None:
            return Evaluation(validation_loss)
        untrained = trainable.build(self.seeds.initialization).eval()
        return Evaluation(validation_loss, yardstick, trainable.yardstick(untrained, self._noise(self.seeds.yardstick)))

    def _noise(self, seed: int) -> torch.Generator:
        return torch.Generator(self.trainable.device).manual_seed(seed)

    def _until_broken(self, on_step: Callable[[Progress], None]) -> tuple[Symptom, Step[Pass]] | None:
        """Run to the horizon; the step that broke, if one did."""

        def on_finite(number: int, loss: float) -> None:
            self.stepper.schedule.observe(loss)
            self._look_for_a_spike(number, loss)
            on_step(Progress(number, self.horizon, loss))

        for number in range(1, self.horizon + 1):
            if self.rollbacks is not None:
                self.rollbacks.before(number)
            step = self.stepper.step(number)
            self.reader.add(step)
            if self.recorder is not None:
                self.recorder.observe(number, step.passes, step.loss_and_norm, step.remedies)
            if number % self.read_every_steps == 0 or number == self.horizon:
                found = self.reader.read(on_finite)
                if found is not None and not self._went_back(number):
                    if self.recorder is not None:
                        self.recorder.discard_after(found[1].number)
                    return found
        return None

    def _look_for_a_spike(self, number: int, loss: float) -> None:
        """What a finite step's loss may lead to: another warm-up, or a rollback."""
        training = self.trainable.training
        is_spike = self.spikes is not None and self.spikes.begins(loss)
        if is_spike and training.spike_restart_steps:
            self.stepper.schedule.restart(number)
        if not (is_spike and training.rollback_on_spikes and self._went_back(number)) and self.rollbacks is not None:
            self.rollbacks.was_finite(loss)

    def _went_back(self, number: int) -> bool:
        """After a step that broke: whether the run goes on from earlier weights."""
        if self.rollbacks is None or not self.rollbacks.go_back(number):
            return False
        if self.spikes is not None:
            self.spikes.forget()  # of earlier weights the losses are others
        if self.recorder is not None:
            self.recorder.weights_were_replaced(number)
        return True


def _divergence(step: Step[Pass], symptom: Symptom, autopsy: Autopsy) -> Divergence:
    return Divergence(step=step.number, symptom=symptom, origin=autopsy.origin, cause=autopsy.cause)
