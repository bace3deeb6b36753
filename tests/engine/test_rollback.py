"""Going back to the last good weights, and warming up again after a spike."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stability_sweep.engine import TelemetryRecorder, TrainingRun, train
from stability_sweep.engine.schedule import LearningRateSchedule
from stability_sweep.engine.settings import TrainingConfig
from stability_sweep.results.outcome import Outcome
from stability_sweep.results.telemetry import Telemetry
from stability_sweep.targets.images.images import Images, load_images
from stability_sweep.targets.rhvae.trainable import train as train_rhvae
from tests.conftest import make_definition, trial_config
from tests.engine.test_any_trainable import TrainableLine


class PoisonedLine(TrainableLine):
    """A line with batches that are multiplied by what is told, by their number."""

    def __init__(self, factors: dict[int, float], learning_rate: float = 0.05, horizon: int = 40, **more: Any) -> None:
        super().__init__(learning_rate, horizon)
        self.training = self.training.model_copy(update={"accumulation_steps": 1, **more})
        self._factors = factors
        self.models: list[nn.Module] = []

    def build(self, seed: int) -> nn.Module:
        self.models.append(super().build(seed))
        return self.models[-1]

    def batches(self, seed: int) -> Iterator[Tensor]:
        for number, batch in enumerate(super().batches(seed), start=1):
            yield batch * self._factors.get(number, 1.0)


def run_of(trainable: TrainableLine, every: int | None = None) -> tuple[TrainingRun, Telemetry]:
    recorder = TelemetryRecorder()
    run = train(trainable, seed=1, recorder=recorder, read_every_steps=every)
    return run, recorder.telemetry()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_run_goes_back_to_the_last_snapshot_and_on_with_half_the_rate(optimizer: str) -> None:
    more: dict[str, Any] = {
        "optimizer": optimizer,
        "momentum": 0.9,
        "rollback_allowance": 1,
        "rollback_snapshot_steps": 5,
    }
    weights: dict[int, Tensor] = {}

    class Watched(PoisonedLine):
        def forward(self, model: nn.Module, batch: Tensor, noise: torch.Generator) -> Any:
            weights[len(weights) + 1] = nn.utils.parameters_to_vector(model.parameters()).detach().clone()
            return super().forward(model, batch, noise)

    run, telemetry = run_of(Watched({9: math.nan}, **more))
    assert (run.result.outcome, run.result.steps, run.rollbacks) == (Outcome.STABLE, 40, 1)
    assert [step for step in range(40) if not math.isfinite(run.losses[step])] == [8]
    assert torch.equal(weights[10], weights[6])  # the copy made before step 6
    assert not torch.equal(weights[9], weights[6])
    assert telemetry.signal("rollbacks").tolist() == [0.0] * 9 + [1.0] * 31
    assert telemetry.signal("step_learning_rate").tolist() == [0.05] * 9 + [0.025] * 31
    assert telemetry.signal("update_norm")[8] == 0
    moved = [(weights[step + 1] - weights[step]).norm().item() for step in (8, 10, 11)]
    assert [telemetry.signal("update_norm")[step - 1] for step in (8, 10, 11)] == pytest.approx(moved, rel=1e-4)
    assert run.result.final_loss == np.median(run.losses[-4:])


def test_the_step_after_a_rollback_is_that_of_a_run_that_stands_where_the_snapshot_was_made() -> None:
    """The optimizer's state goes back as well, and again when the same snapshot is needed twice."""
    more = {"momentum": 0.9, "rollback_allowance": 2, "rollback_snapshot_steps": 5, "rollback_rate_factor": 1.0}
    twice = PoisonedLine({8: math.nan, 10: math.nan}, horizon=11, **more)
    once = PoisonedLine({8: math.nan, 9: math.nan, 10: math.nan}, horizon=11, **{**more, "rollback_allowance": 3})
    assert (run_of(twice)[0].rollbacks, run_of(once)[0].rollbacks) == (2, 3)
    end, other = (nn.utils.parameters_to_vector(line.models[0].parameters()) for line in (twice, once))
    assert torch.equal(end, other)  # both make step 11 from the snapshot of step 6


def test_it_diverges_when_the_allowance_is_used_up() -> None:
    run, telemetry = run_of(PoisonedLine({9: math.nan, 20: math.nan, 21: math.nan}, rollback_allowance=2))
    assert run.result.divergence is not None
    assert (run.result.divergence.step, run.rollbacks, len(run.losses)) == (21, 2, 21)
    assert telemetry.steps.tolist() == list(range(1, 22))
    assert telemetry.signal("rollbacks")[-1] == 2


def test_weights_that_never_gave_a_finite_step_are_not_gone_back_to() -> None:
    more = {"rollback_snapshot_steps": 5, "rollback_allowance": 9}
    run, _ = run_of(PoisonedLine({5: 1e15, 6: math.nan}, **more))  # step 5 ruins the weights that step 6 begins with
    assert run.result.outcome is Outcome.STABLE
    assert run.losses[6] == pytest.approx(run.losses[0], rel=0.5)


def test_weights_whose_loss_is_above_the_first_are_not_gone_back_to() -> None:
    more = {"rollback_snapshot_steps": 5, "rollback_allowance": 1}
    run, _ = run_of(PoisonedLine({5: 1e3, 9: math.nan}, **more))
    assert run.losses[5] > run.losses[0]  # finite, from the weights that would have been the second snapshot
    assert run.losses[9] == pytest.approx(run.losses[0], rel=0.5)


def test_a_broken_last_step_is_a_divergence_as_nothing_can_go_on() -> None:
    assert run_of(PoisonedLine({40: math.nan}, rollback_allowance=9))[0].result.outcome is Outcome.DIVERGED


def test_a_first_step_that_breaks_counts_for_no_figure() -> None:
    result = run_of(PoisonedLine({1: math.inf}, rollback_allowance=1))[0].result
    assert result.outcome is Outcome.STABLE
    assert result.first_loss is not None
    assert math.isfinite(result.first_loss)


def test_a_rate_that_is_too_large_is_lowered_until_it_is_not_and_the_same_way_twice() -> None:
    lost, _ = run_of(PoisonedLine({}, learning_rate=1e6))
    assert lost.result.outcome is Outcome.DIVERGED
    more = {"rollback_allowance": 9, "rollback_rate_factor": 0.1, "accumulation_steps": 2}
    (saved, table), (again, other) = (
        run_of(PoisonedLine({}, learning_rate=1e6, horizon=200, **more), every) for every in (1, 7)
    )
    assert saved.result.outcome is Outcome.STABLE
    assert 5 <= saved.rollbacks <= 9
    assert saved.losses.tobytes() == again.losses.tobytes()
    assert table.same_bits(other)


def test_an_allowance_that_is_not_needed_changes_no_bit() -> None:
    plain, _ = run_of(PoisonedLine({}))
    idle, _ = run_of(PoisonedLine({}, rollback_allowance=3, rollback_snapshot_steps=2, spike_restart_steps=5))
    assert plain.losses.tobytes() == idle.losses.tobytes()


def test_a_spike_can_be_a_reason_to_go_back_too() -> None:
    more = {"rollback_allowance": 1, "rollback_on_spikes": True, "rollback_snapshot_steps": 10}
    kept, _ = run_of(PoisonedLine({35: 1e3}, **{**more, "rollback_on_spikes": False}))
    gone, telemetry = run_of(PoisonedLine({35: 1e3}, **more))
    assert kept.losses[35] > 1e3
    assert gone.losses[35] < 1
    assert gone.rollbacks == 1
    assert (telemetry.signal("update_norm")[35:] < 1).all()  # the way back is no step's


def test_the_rate_warms_up_again_after_a_spike() -> None:
    _, telemetry = run_of(PoisonedLine({30: 20.0}, learning_rate=1e-3, spike_restart_steps=3))
    assert telemetry.signal("step_learning_rate")[28:36] == pytest.approx(
        1e-3 * np.array([1, 1, 0.25, 0.5, 0.75, 1, 1, 1])
    )


def test_rollbacks_and_restarts_multiply_the_rate_of_any_schedule() -> None:
    config = TrainingConfig(
        horizon_steps=100, learning_rate=1.0, batch_size=8, schedule="cosine", spike_restart_steps=1
    )
    schedule = LearningRateSchedule(config, horizon=100)
    schedule.roll_back()
    schedule.roll_back()
    schedule.restart(50)
    assert [schedule.rate(step) for step in (51, 52)] == pytest.approx(
        [0.5 * 0.25 * 0.5, 0.25 * 0.5 * (1 + math.cos(math.pi * 0.51))]
    )


@pytest.fixture(scope="module")
def images() -> Images:
    return load_images(make_definition().settings["data"], None, torch.device("cpu"))


def test_an_rhvae_that_diverges_is_saved_and_evaluated_without_what_it_gave_up(images: Images) -> None:
    def run(**training: Any) -> TrainingRun:
        definition = make_definition(
            training={"horizon_steps": 40, **training}, model={"latent_dim": 16, "n_lf": 1, "eps_lf": 1e-2}
        )
        config = trial_config(definition, {"learning_rate": 0.1, "batch_size": 16, "clip_norm": math.inf})
        return train_rhvae(config, images, seed=5)

    assert run().result.outcome is Outcome.DIVERGED
    saved = run(rollback_allowance=8, rollback_rate_factor=0.1)
    assert saved.result.outcome is Outcome.STABLE
    assert saved.rollbacks >= 1
    assert saved.result.validation_loss is not None
    assert math.isfinite(saved.result.validation_loss)  # the metric of a broken batch would make it NaN
    again = run(rollback_allowance=8, rollback_rate_factor=0.1)
    assert saved.losses.tobytes() == again.losses.tobytes()
    assert saved.result.validation_loss == again.result.validation_loss
