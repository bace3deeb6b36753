from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from stability_sweep.engine import Progress, StopTrainingError
from stability_sweep.engine.gradient import gradient_norm, scale_gradient
from stability_sweep.errors import DefinitionError
from stability_sweep.models import RHVAE, ForwardPass
from stability_sweep.results.outcome import Outcome, Symptom
from stability_sweep.targets.images.images import Images, load_images
from stability_sweep.targets.rhvae.settings import TrialConfig
from stability_sweep.targets.rhvae.trainable import build_model, shuffled_batches, train
from tests.conftest import make_definition, trial_config


@pytest.fixture(scope="module")
def images() -> Images:
    return load_images(make_definition().settings["data"], None, torch.device("cpu"))


def config_of(
    learning_rate: float = 1e-3, batch_size: int = 16, clip_norm: float = math.inf, **overrides: Any
) -> TrialConfig:
    point = {"learning_rate": learning_rate, "batch_size": batch_size, "clip_norm": clip_norm}
    return trial_config(make_definition(**overrides), point)


def poison_loss(monkeypatch: pytest.MonkeyPatch, step: int, value: float) -> None:
    """Make the loss of one step what we say, with a gradient of the same kind."""
    calls = iter(range(1, 10**6))
    original = RHVAE.forward_pass

    def forward_pass(self: RHVAE, images: torch.Tensor, **kwargs: Any) -> ForwardPass:
        clean = original(self, images, **kwargs)
        return replace(clean, losses=clean.losses * value) if next(calls) == step else clean

    monkeypatch.setattr(RHVAE, "forward_pass", forward_pass)


def test_a_trial_gives_equal_losses_at_every_step_when_it_runs_again(images: Images) -> None:
    first, second = (train(config_of(training={"horizon_steps": 30}), images, seed=5) for _ in range(2))
    assert np.array_equal(first.losses, second.losses)
    assert len(first.losses) == 30
    assert first.result.validation_loss == second.result.validation_loss


def test_another_seed_gives_other_losses(images: Images) -> None:
    assert train(config_of(), images, seed=5).losses[0] != train(config_of(), images, seed=6).losses[0]


def test_the_global_random_state_neither_matters_nor_changes(images: Images) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = train(config_of(), images, seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert np.array_equal(train(config_of(), images, seed=5).losses, first.losses)


@pytest.mark.parametrize(
    ("value", "symptom"),
    [(math.nan, Symptom.NAN_LOSS), (math.inf, Symptom.INF_LOSS), (-math.inf, Symptom.INF_LOSS)],
)
def test_a_loss_that_is_not_finite_ends_the_trial_in_that_very_step(
    images: Images, monkeypatch: pytest.MonkeyPatch, value: float, symptom: Symptom
) -> None:
    poison_loss(monkeypatch, 3, value)
    result = train(config_of(), images, seed=5).result
    assert result.outcome is Outcome.DIVERGED
    assert result.divergence is not None
    assert (result.divergence.step, result.divergence.symptom) == (3, symptom)
    assert result.steps == 3
    assert result.validation_loss is None


def test_a_gradient_that_is_not_finite_ends_the_trial_before_the_weights_move(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights: list[torch.Tensor] = []
    original = torch.optim.Adam.step

    def step(self: torch.optim.Adam, closure: Any = None) -> Any:
        result = original(self, closure)
        weights.append(torch.cat([p.detach().flatten() for group in self.param_groups for p in group["params"]]))
        return result

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    calls = iter(range(1, 10**6))
    clean_pass = RHVAE.forward_pass

    def forward_pass(self: RHVAE, images: torch.Tensor, **kwargs: Any) -> ForwardPass:
        clean = clean_pass(self, images, **kwargs)
        if next(calls) == 3:  # finite value, infinite slope
            return replace(clean, losses=clean.losses + (next(self.encoder.parameters()) * 0).abs().sqrt().sum())
        return clean

    monkeypatch.setattr(RHVAE, "forward_pass", forward_pass)
    run = train(config_of(), images, seed=5)
    assert run.result.divergence is not None
    assert run.result.divergence.step == 3
    assert run.result.divergence.symptom in (Symptom.NAN_GRADIENT, Symptom.INF_GRADIENT)
    assert math.isfinite(run.losses[-1])
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(weights[1], weights[2])
    assert weights[2].isfinite().all()


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("broken_step", [None, 5, 7, 8])
def test_the_result_does_not_depend_on_how_often_the_device_is_read(
    images: Images, optimizer: str, broken_step: int | None
) -> None:
    """On an accelerator the host looks every 16 steps; the first bad step is recorded all the same."""
    config = config_of(clip_norm=1.0, training={"horizon_steps": 10, "optimizer": optimizer})
    runs, seen = [], []
    for read_every in (1, 4):
        with pytest.MonkeyPatch.context() as patch:
            if broken_step is not None:
                poison_loss(patch, broken_step, math.nan)
            steps: list[int] = []
            watch = lambda progress, steps=steps: steps.append(progress.step)  # noqa: E731
            runs.append(train(config, images, seed=5, on_step=watch, read_every_steps=read_every))
            seen.append(steps)
    assert np.array_equal(runs[0].losses, runs[1].losses, equal_nan=True)
    assert runs[0].result.divergence == runs[1].result.divergence
    assert runs[0].result.validation_loss == runs[1].result.validation_loss
    assert seen[0] == seen[1]
    assert len(runs[0].losses) == (broken_step or 10)


@pytest.mark.filterwarnings("ignore")  # importing the compiler warns of torch's own deprecations
def test_a_compiled_run_gives_the_losses_of_a_plain_one(images: Images) -> None:
    settings = {"horizon_steps": 3}
    plain = train(config_of(training=settings), images, seed=5)
    compiled = train(config_of(training={**settings, "compile": "default"}), images, seed=5)
    assert compiled.losses == pytest.approx(plain.losses, rel=1e-4)
    assert compiled.result.validation_loss == pytest.approx(plain.result.validation_loss, rel=1e-3)


def test_compiling_without_a_compiler_is_told(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(DefinitionError, match="no 'no-such-compiler' here"):
        train(config_of(training={"horizon_steps": 3, "compile": "default"}), images, seed=5)


def test_a_real_run_with_a_huge_learning_rate_diverges_at_once(images: Images) -> None:
    result = train(
        config_of(learning_rate=0.1, model={"latent_dim": 16, "n_lf": 1, "eps_lf": 1e-2}), images, seed=5
    ).result
    assert result.outcome is Outcome.DIVERGED
    assert result.steps <= 3


def test_a_real_run_learns(images: Images) -> None:
    result = train(config_of(training={"horizon_steps": 60}), images, seed=5).result
    assert result.outcome is Outcome.STABLE
    assert result.final_loss is not None
    assert result.first_loss is not None
    assert result.final_loss < 0.8 * result.first_loss
    assert result.validation_loss is not None
    assert math.isfinite(result.validation_loss)


def test_a_tiny_learning_rate_stalls(images: Images) -> None:
    assert train(config_of(learning_rate=1e-9, training={"horizon_steps": 30}), images, seed=5).result.outcome in (
        Outcome.STALLED,
        Outcome.EXPLODED,  # noise of single batches can end a hair above the first loss
    )


def test_the_summary_numbers_are_those_of_the_losses(images: Images) -> None:
    run = train(config_of(training={"horizon_steps": 40}, outcome={"window_steps": 3}), images, seed=5)
    result, losses = run.result, run.losses
    assert result.first_loss == losses[0]
    assert result.final_loss == np.median(losses[-3:])
    assert (result.best_loss, result.max_loss) == (losses.min(), losses.max())


def test_the_observer_sees_every_step_and_can_stop_the_run(images: Images) -> None:
    seen: list[Progress] = []

    def watch(progress: Progress) -> None:
        seen.append(progress)
        if progress.step == 3:
            raise StopTrainingError

    with pytest.raises(StopTrainingError):
        train(config_of(), images, seed=5, on_step=watch)
    assert [progress.step for progress in seen] == [1, 2, 3]


def test_batches_are_full_and_cover_every_pass_without_repetition() -> None:
    numbers = torch.arange(10).float().unsqueeze(1)
    batches = shuffled_batches(numbers, 3, seed=1)
    passes = [torch.cat([next(batches) for _ in range(3)]).flatten() for _ in range(4)]
    assert all(len(set(p.tolist())) == 9 for p in passes)
    assert not torch.equal(passes[0], passes[1])


def test_the_loss_of_a_step_is_the_mean_over_its_micro_batches(images: Images) -> None:
    whole = train(config_of(learning_rate=1e-12, training={"horizon_steps": 4}), images, seed=5)
    pairs = train(
        config_of(learning_rate=1e-12, training={"horizon_steps": 2, "accumulation_steps": 2}), images, seed=5
    )
    # Equal order and noise: two micro-batches of 16 are the first two batches of 16, each with a metric of its own.
    assert pairs.losses == pytest.approx(whole.losses.reshape(2, 2).mean(axis=1), rel=1e-5)


def test_clipping_bounds_the_norm_and_leaves_small_gradients_alone() -> None:
    model = build_model(config_of(), seed=1)
    model.loss(torch.rand(16, 784)).backward()
    parameters = list(model.parameters())
    norm = gradient_norm(parameters)
    scale_gradient(parameters, norm, 10 * norm.item())
    assert gradient_norm(parameters).item() == norm.item()
    scale_gradient(parameters, norm, 0.5)
    assert gradient_norm(parameters).item() == pytest.approx(0.5, rel=1e-4)


def test_a_large_finite_gradient_is_not_called_infinite() -> None:
    model = torch.nn.Linear(2, 1, bias=False)
    model.weight.grad = torch.tensor([[1e30, 1e30]])
    assert gradient_norm([model.weight]).item() == pytest.approx(math.sqrt(2) * 1e30)
    model.weight.grad = torch.tensor([[math.inf, 0.0]])
    assert math.isinf(gradient_norm([model.weight]))
    model.weight.grad = torch.tensor([[math.nan, math.inf]])
    assert math.isnan(gradient_norm([model.weight]))


def test_more_images_per_step_than_there_are_is_an_error_in_words(images: Images) -> None:
    config = config_of().training.model_copy(update={"batch_size": 999})
    with pytest.raises(
        ValueError, match="one step takes batch_size x accumulation_steps = 999 images, but there are 200"
    ):
        config.horizon(len(images.training))
