"""The engine trains anything that is Trainable: here a straight line, with no word about RHVAE or images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from stability_sweep.engine import StopTrainingError, TelemetryRecorder, train
from stability_sweep.engine.settings import OutcomeConfig, TrainingConfig
from stability_sweep.results.causes import NOT_EXAMINED
from stability_sweep.results.outcome import Outcome, Symptom
from stability_sweep.results.telemetry import SIGNALS


@dataclass(frozen=True)
class Losses:
    losses: Tensor


class TrainableLine:
    """The least that a Trainable has: no signals, no probes."""

    signals = None
    probes = None
    is_captured = False
    device = torch.device("cpu")
    outcome = OutcomeConfig()

    def __init__(
        self,
        learning_rate: float,
        horizon: int = 40,
        poisoned_batch: int | None = None,
        yardsticks: Sequence[float] | None = None,
    ) -> None:
        self.training = TrainingConfig(
            learning_rate=learning_rate, batch_size=8, horizon_steps=horizon, optimizer="sgd", accumulation_steps=2
        )
        self.horizon = horizon
        self._poisoned_batch = poisoned_batch
        self._yardsticks = None if yardsticks is None else iter(yardsticks)

    def build(self, seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return nn.Linear(1, 1)

    def batches(self, seed: int) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(seed)
        number = 0
        while True:
            number += 1
            x = torch.rand((8, 1), generator=generator)
            yield x * math.nan if number == self._poisoned_batch else x

    def forward(self, model: nn.Module, batch: Tensor, noise: torch.Generator) -> Losses:
        return Losses((model(batch) - 3 * batch - 1).square().squeeze(1))

    def validate(self, model: nn.Module, noise: torch.Generator) -> float | None:
        return None

    def yardstick(self, model: nn.Module, noise: torch.Generator) -> float | None:
        return None if self._yardsticks is None else next(self._yardsticks)


def test_a_straight_line_is_learned_with_the_telemetry_of_any_training() -> None:
    recorder = TelemetryRecorder()
    run = train(TrainableLine(0.3), seed=1, recorder=recorder)
    assert (run.result.outcome, run.result.steps, run.result.validation_loss) == (Outcome.STABLE, 40, None)
    telemetry = recorder.telemetry()
    assert telemetry.signals == tuple(SIGNALS)
    assert telemetry.signal("loss").tolist() == run.losses.tolist()
    assert (telemetry.signal("update_norm") > 0).all()


@pytest.mark.parametrize(
    ("at_end", "at_start", "outcome"),
    [
        (1.0, 2.0, Outcome.STABLE),
        (2.0, 2.0, Outcome.STABLE),
        (2.1, 2.0, Outcome.EXPLODED),
        (math.nan, 2.0, Outcome.EXPLODED),
        (math.inf, math.inf, Outcome.EXPLODED),
        (1.0, math.inf, Outcome.STABLE),
    ],
)
def test_a_run_that_learned_is_stable_only_if_held_out_data_bear_it_out(
    at_end: float, at_start: float, outcome: Outcome
) -> None:
    result = train(TrainableLine(0.3, yardsticks=[at_end, at_start]), seed=1).result
    assert result.outcome is outcome
    assert result.yardstick == pytest.approx(at_end, nan_ok=True)
    assert result.yardstick_at_start == at_start


def test_a_run_without_a_yardstick_is_judged_by_its_training_loss() -> None:
    result = train(TrainableLine(0.3), seed=1).result
    assert (result.outcome, result.yardstick, result.yardstick_at_start) == (Outcome.STABLE, None, None)


def test_it_diverges_in_the_step_whose_loss_is_infinite_and_the_same_way_twice() -> None:
    runs = [train(TrainableLine(1e6), seed=2, read_every_steps=every) for every in (1, 7)]
    results = [(run.result.steps, run.result.divergence) for run in runs]
    assert results[0] == results[1]
    assert runs[0].losses.tobytes() == runs[1].losses.tobytes()
    divergence = runs[0].result.divergence
    assert divergence is not None
    assert divergence.symptom in (Symptom.INF_LOSS, Symptom.INF_GRADIENT)
    assert all(weights.isfinite().all() for weights in runs[0].broken_step.model.parameters())  # type: ignore[union-attr]


def test_without_probes_the_autopsy_says_that_there_are_none() -> None:
    run = train(TrainableLine(0.3, poisoned_batch=6), seed=1)
    assert run.result.divergence is not None
    assert run.result.divergence.step == 3  # the second micro-batch of the third step
    assert run.result.divergence.symptom is Symptom.NAN_LOSS
    assert run.autopsy is not None
    assert (run.autopsy.cause, run.autopsy.note) == (NOT_EXAMINED, "this target has no probes")


def test_an_observer_can_end_it() -> None:
    seen = []

    def stop_at_five(progress: object) -> None:
        seen.append(progress)
        if len(seen) == 5:
            raise StopTrainingError

    with pytest.raises(StopTrainingError):
        train(TrainableLine(0.3), seed=1, on_step=stop_at_five)
    assert len(seen) == 5
