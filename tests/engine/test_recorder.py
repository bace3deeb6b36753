"""Every signal against a plain computation, and the recorder against its promises."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from stability_sweep.engine import StopTrainingError, TelemetryRecorder
from stability_sweep.engine.recorder import LOOKS
from stability_sweep.models import RHVAE, ForwardPass
from stability_sweep.results.telemetry import LAST_STEPS, Telemetry, is_kept
from stability_sweep.targets.images.images import Images, load_images
from stability_sweep.targets.rhvae.leapfrog import PhasePoint, tempering_ratios
from stability_sweep.targets.rhvae.measures import RHVAESignals
from stability_sweep.targets.rhvae.settings import RHVAEConfig, TrialConfig
from stability_sweep.targets.rhvae.signals import SIGNALS
from stability_sweep.targets.rhvae.trainable import train
from tests.conftest import make_definition, trial_config


@pytest.fixture(scope="module")
def images() -> Images:
    return load_images(make_definition().settings["data"], None, torch.device("cpu"))


def config_of(learning_rate: float = 1e-3, clip_norm: float = math.inf, **overrides: Any) -> TrialConfig:
    point = {"learning_rate": learning_rate, "batch_size": 16, "clip_norm": clip_norm}
    return trial_config(make_definition(**overrides), point)


def record(config: TrialConfig, images: Images, **options: Any) -> Telemetry:
    recorder = TelemetryRecorder()
    train(config, images, seed=5, recorder=recorder, **options)
    return recorder.telemetry()


def energy(point: PhasePoint, momentum: Tensor) -> Tensor:
    kinetic = 0.5 * torch.einsum("bi,bij,bj->b", momentum, point.metric.inverse, momentum)
    potential = 0.5 * point.position.square().sum(1) - point.potential.log_likelihood
    return potential + kinetic + 0.5 * point.metric.log_det


def measured_and_done(n_lf: int, dtype: torch.dtype = torch.float64) -> tuple[dict[str, float], ForwardPass]:
    """The signals of one step of a model, and the forward pass that they come from."""
    torch.manual_seed(0)
    config = RHVAEConfig(latent_dim=4, n_lf=n_lf, eps_lf=1e-2)
    model = RHVAE(config).to(dtype)
    recorder = TelemetryRecorder()
    recorder.start(model, RHVAESignals(config), 2.0, steps_at_once=16)
    done = model.forward_pass(torch.rand(8, 784))
    done.losses.mean().backward()
    recorder.observe(1, [done], torch.stack([done.losses.mean().detach(), torch.tensor(3.0)]).double())
    return {name: float(recorder.telemetry().signal(name)[0]) for name in SIGNALS}, done


@pytest.mark.parametrize("n_lf", [1, 3])
def test_the_parts_of_the_loss_add_up_to_it(n_lf: int) -> None:
    signals, done = measured_and_done(n_lf)
    parts = [signals[name] for name in ("reconstruction", "prior", "momentum", "entropy")]
    assert signals["loss"] == pytest.approx(done.losses.mean().item(), rel=1e-12)
    assert sum(parts) == pytest.approx(signals["loss"], rel=1e-10)
    end = done.trajectory.end
    assert signals["reconstruction"] == pytest.approx(-end.potential.log_likelihood.mean().item())
    assert signals["prior"] == pytest.approx(0.5 * end.position.square().sum(1).mean().item())


@pytest.mark.parametrize("n_lf", [1, 3])
def test_the_extremes_are_those_of_the_last_point(n_lf: int) -> None:
    signals, done = measured_and_done(n_lf)
    end = done.trajectory.end
    assert signals["largest_latent"] == end.position.abs().max().item()
    assert signals["largest_momentum"] == end.momentum.abs().max().item()
    assert signals["gradient_norm"] == 3.0
    assert signals["clipped"] == 1.0


@pytest.mark.parametrize("n_lf", [1, 3])
def test_the_eigenvalues_lie_within_their_bounds(n_lf: int) -> None:
    signals, done = measured_and_done(n_lf)
    eigenvalues = torch.linalg.eigvalsh(done.trajectory.end.metric.inverse)
    smallest, largest, root = eigenvalues.min().item(), eigenvalues.max().item(), math.sqrt(4)
    assert signals["smallest_eigenvalue"] <= smallest * (1 + 1e-9)
    assert signals["smallest_eigenvalue"] >= smallest / root * (1 - 1e-9)
    assert largest * (1 - 1e-9) <= signals["largest_eigenvalue"] <= root * largest * (1 + 1e-9)


@pytest.mark.parametrize("n_lf", [1, 3])
def test_the_energy_drift_leaves_tempering_out(n_lf: int) -> None:
    signals, done = measured_and_done(n_lf)
    points = done.trajectory.points
    drift = torch.zeros(8, dtype=torch.float64)
    for k, ratio in enumerate(tempering_ratios(n_lf, 0.3), start=1):
        before = points[k - 1]
        drift += energy(points[k], points[k].momentum / ratio) - energy(before, before.momentum)
    start = energy(points[0], points[0].momentum)
    assert signals["energy_drift"] == pytest.approx((drift.abs().mean() / start.abs().mean()).item(), rel=1e-8)


def test_recording_changes_no_bit_of_the_training(images: Images) -> None:
    config = config_of(training={"horizon_steps": 40})
    recorder = TelemetryRecorder()
    with_it, without = train(config, images, seed=5, recorder=recorder), train(config, images, seed=5)
    assert np.array_equal(with_it.losses, without.losses)
    assert with_it.result.validation_loss == without.result.validation_loss
    assert np.array_equal(recorder.telemetry().signal("loss"), without.losses)


def test_the_last_64_steps_are_complete_and_the_rest_is_thinned(images: Images) -> None:
    telemetry = record(config_of(training={"horizon_steps": 400}), images)
    expected = [step for step in range(1, 401) if is_kept(step) or step > 400 - LAST_STEPS]
    assert telemetry.steps.tolist() == expected
    assert len(expected) < 180


@pytest.mark.parametrize("read_every", [1, 7, 16])
def test_a_diverged_run_ends_with_the_bad_step_however_late_the_host_looks(images: Images, read_every: int) -> None:
    config = config_of(learning_rate=0.1, model={"latent_dim": 16, "n_lf": 1, "eps_lf": 1e-2})
    recorder = TelemetryRecorder()
    run = train(config, images, seed=5, recorder=recorder, read_every_steps=read_every)
    telemetry = recorder.telemetry()
    assert telemetry.steps.tolist() == list(range(1, run.result.steps + 1))
    assert not np.isfinite(telemetry.signal("loss")[-1] + telemetry.signal("gradient_norm")[-1])
    assert telemetry.signal("update_norm")[-1] == 0  # the weights never moved


def test_the_size_of_an_update_is_close_to_the_exact_one(images: Images) -> None:
    model = RHVAE(RHVAEConfig(latent_dim=4, n_lf=1))
    recorder = TelemetryRecorder()
    recorder.start(model, RHVAESignals(model.config), math.inf, steps_at_once=16)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    exact = []
    for step in range(1, 6):
        done = model.forward_pass(images.training[:16])
        optimizer.zero_grad()
        done.losses.mean().backward()
        before = torch.nn.utils.parameters_to_vector(model.parameters()).detach().clone()
        optimizer.step()
        exact.append((torch.nn.utils.parameters_to_vector(model.parameters()) - before).norm().item())
        recorder.observe(step, [done], torch.zeros(2, dtype=torch.float64))
    assert recorder.telemetry().signal("update_norm") == pytest.approx(exact, rel=0.1)


def test_the_largest_parameter_is_found_wherever_it_is_within_as_many_steps_as_there_are_looks() -> None:
    model = RHVAE(RHVAEConfig(latent_dim=4, n_lf=1))
    recorder = TelemetryRecorder()
    recorder.start(model, RHVAESignals(model.config), math.inf, steps_at_once=16)
    parameters = list(model.parameters())
    for number, parameter in enumerate(parameters):
        with torch.no_grad():
            parameter.view(-1)[-1] = -(10.0 + number)
        for look in range(LOOKS):
            done = model.forward_pass(torch.rand(2, 784))
            recorder.observe(number * LOOKS + look + 1, [done], torch.zeros(2, dtype=torch.float64))
        assert recorder.telemetry().signal("largest_parameter")[-1] == 10.0 + number


def test_micro_batches_count_as_one_step(images: Images) -> None:
    pairs = record(config_of(learning_rate=1e-12, training={"horizon_steps": 2, "accumulation_steps": 2}), images)
    whole = record(config_of(learning_rate=1e-12, training={"horizon_steps": 4}), images)
    for name, combine in (("loss", np.mean), ("prior", np.mean), ("largest_latent", np.max)):
        expected = [combine(whole.signal(name)[start : start + 2]) for start in (0, 2)]
        assert pairs.signal(name) == pytest.approx(expected, rel=1e-5)


def test_what_was_measured_before_an_interruption_is_there(images: Images) -> None:
    def stop(progress: Any) -> None:
        if progress.step == 5:
            raise StopTrainingError

    recorder = TelemetryRecorder()
    with pytest.raises(StopTrainingError):
        train(config_of(training={"horizon_steps": 30}), images, seed=5, on_step=stop, recorder=recorder)
    assert recorder.telemetry().steps.tolist() == [1, 2, 3, 4, 5]


def test_a_recorder_that_never_saw_a_step_has_no_rows() -> None:
    assert len(TelemetryRecorder().telemetry().steps) == 0
