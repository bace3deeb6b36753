"""Models are broken in a known place; the autopsy must name it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stability_sweep.engine.examination import examine
from stability_sweep.models import RHVAE, RHVAEConfig
from stability_sweep.results.autopsy import Autopsy
from stability_sweep.targets.images.images import load_images
from stability_sweep.targets.rhvae import causes
from stability_sweep.targets.rhvae.causes import CAUSES
from stability_sweep.targets.rhvae.probes import RHVAEProbes
from stability_sweep.targets.rhvae.trainable import train
from tests.conftest import make_definition, trial_config

HERE = "tests.engine.test_examination"


class BrokenEncoder(nn.Module):
    """A user's own network whose middle layer takes the root of something negative."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.entrance = nn.Linear(784, 8)
        self.root = Root()
        self.mean = nn.Linear(8, latent_dim)
        self.spread = nn.Linear(8, latent_dim)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.root(self.entrance(images))
        return self.mean(hidden), self.spread(hidden)


class Root(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return (values - 1e3).sqrt()


class SteepDecoder(nn.Module):
    """Finite everywhere, with an infinite slope in one weight."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.layer = nn.Linear(latent_dim, 784)
        self.steep = nn.Parameter(torch.zeros(1))

    def forward(self, latent: Tensor) -> Tensor:
        return torch.sigmoid(self.layer(latent) + self.steep.abs().sqrt())


def build(**settings: Any) -> RHVAE:
    torch.manual_seed(0)
    return RHVAE(RHVAEConfig(**{"latent_dim": 3, "n_lf": 2, "eps_lf": 1e-2, **settings})).train()


def fill(parameter: nn.Parameter, value: float) -> None:
    with torch.no_grad():
        parameter.fill_(value)


def autopsy_of(model: RHVAE, images: Tensor | None = None) -> Autopsy:
    done = model.forward_pass(torch.rand(4, 784) if images is None else images)
    return examine(model, RHVAEProbes(), [done], 9)


def with_infinite_weight(model: RHVAE) -> None:
    with torch.no_grad():
        next(model.decoder.parameters())[0, 0] = math.inf


def with_large_log_diagonal(model: RHVAE) -> None:
    fill(model.metric.diag.bias, 200.0)


def with_large_factors(model: RHVAE) -> None:
    fill(model.metric.diag.bias, 60.0)  # e⁶⁰ is finite in float32, its square is not


def with_large_log_variance(model: RHVAE) -> None:
    fill(model.encoder.log_var.bias, 400.0)  # type: ignore[union-attr, arg-type]


def with_large_activations(model: RHVAE) -> None:
    fill(model.encoder.layers[0][0].weight, 1e38)  # type: ignore[union-attr, index]


def with_degenerate_factors(model: RHVAE) -> None:
    """Two rows that are parallel and huge: G⁻¹ is finite, and its smallest eigenvalue is lost in rounding."""
    fill(model.metric.diag.bias, -20.0)
    with torch.no_grad():
        model.metric.lower.bias.copy_(torch.tensor([1e12, 1e12, 0.0]))


def with_far_latents(model: RHVAE) -> None:
    fill(model.encoder.embedding.bias, 3e38)  # type: ignore[union-attr, arg-type]
    fill(model.encoder.log_var.bias, 176.0)  # type: ignore[union-attr, arg-type]


@pytest.mark.parametrize(
    ("damage", "cause", "origin"),
    [
        (with_infinite_weight, causes.NON_FINITE_WEIGHTS, "weights.decoder.layers.0.0.weight"),
        (with_large_activations, causes.NETWORK_OVERFLOW, "encoder.layers.0.0"),
        (with_large_log_variance, causes.EXP_OVERFLOW, "encoder.sigma"),
        (with_far_latents, causes.EXPLODING_LATENT, "latent[0]"),
        (with_large_log_diagonal, causes.EXP_OVERFLOW, "metric.factor"),
        (with_large_factors, causes.METRIC_OVERFLOW, "metric.matrices"),
        (with_degenerate_factors, causes.SINGULAR_METRIC, "metric.tensor[0]"),
    ],
)
def test_the_origin_is_where_the_model_was_broken(damage: Callable[[RHVAE], None], cause: str, origin: str) -> None:
    model = build()
    damage(model)
    found = autopsy_of(model)
    assert (found.cause, found.origin) == (cause, origin)
    assert found.trail[-1].name == origin
    assert not found.trail[-1].is_finite
    assert all(probe.is_finite for probe in found.trail[:-1])
    assert found.step == 9


def test_a_pixel_that_is_not_a_number_is_found_in_the_input() -> None:
    images = torch.rand(4, 784)
    images[2, 5] = math.nan
    found = autopsy_of(build(), images)
    assert (found.cause, found.origin) == (causes.NON_FINITE_INPUT, "input.images")
    assert found.trail[-1].nan == 1


def test_a_large_step_of_the_leapfrog_explodes() -> None:
    found = autopsy_of(build(eps_lf=1e30))
    assert found.cause in (causes.EXPLODING_MOMENTUM, causes.EXPLODING_LATENT)


def test_a_layer_of_a_users_own_network_is_named() -> None:
    found = autopsy_of(build(encoder=f"{HERE}:BrokenEncoder"))
    assert (found.cause, found.origin) == (causes.NETWORK_OVERFLOW, "encoder.root")
    assert found.trail[-2].name == "encoder.entrance"


@pytest.mark.parametrize("network", ["mlp", "conv", "resnet"])
def test_the_layers_of_every_shipped_network_are_probed(network: str) -> None:
    model = build(encoder=network, decoder=network)
    fill(model.metric.diag.bias, 200.0)
    names = [probe.name for probe in autopsy_of(model).trail]
    assert len([name for name in names if name.startswith("encoder.")]) >= 4


def test_the_forward_pass_is_probed_in_its_order() -> None:
    model = build(decoder=f"{HERE}:SteepDecoder")
    names = [probe.name for probe in autopsy_of(model).trail]
    expected = [
        "input.images", "encoder.log_var", "latent[0]", "metric.diag", "metric.factor", "reconstruction[0]",
        "metric.inverse[0]", "metric.log_det[0]", "momentum[0]", "latent[1]", "reconstruction[1]", "momentum[1]",
        "latent[2]", "momentum[2]", "loss.reconstruction", "loss", "loss.mean",
    ]  # fmt: skip
    assert [names.index(name) for name in expected] == sorted(names.index(name) for name in expected)


def test_a_finite_loss_with_an_infinite_slope_is_found_in_the_backward_pass() -> None:
    found = autopsy_of(build(decoder=f"{HERE}:SteepDecoder"))
    assert found.cause == causes.NON_FINITE_GRADIENT
    assert found.origin is not None
    assert found.origin == "gradient of weights.decoder.steep"
    assert any(probe.name == "gradient of loss.mean" for probe in found.trail)


def test_the_second_micro_batch_is_looked_at_too() -> None:
    model = build()
    clean = model.forward_pass(torch.rand(4, 784))
    broken = model.forward_pass(torch.full((4, 784), math.nan))
    found = examine(model, RHVAEProbes(), [clean, broken], 1)
    assert found.origin == "input.images"


def test_a_step_that_does_not_break_again_is_told() -> None:
    found = autopsy_of(build())
    assert (found.cause, found.origin) == (causes.NOT_REPRODUCED, None)
    assert "finite" in CAUSES.sentence(found)


def test_an_autopsy_that_fails_says_so_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build()
    done = model.forward_pass(torch.rand(4, 784))

    def no_memory(*args: Any) -> None:
        raise RuntimeError("no\nmemory")

    monkeypatch.setattr(RHVAE, "compute", no_memory)
    found = examine(model, RHVAEProbes(), [done], 3)
    assert found.cause == causes.NOT_EXAMINED
    assert CAUSES.sentence(found) == "The autopsy failed: RuntimeError: no memory."


def test_the_weights_stay_as_they_were() -> None:
    model = build(decoder=f"{HERE}:SteepDecoder")
    before = [parameter.detach().clone() for parameter in model.parameters()]
    autopsy_of(model)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_a_real_divergence_gets_an_autopsy_with_an_origin() -> None:
    images = load_images(make_definition().settings["data"], None, torch.device("cpu"))
    definition = make_definition(model={"latent_dim": 16, "n_lf": 3, "eps_lf": 1e-2})
    config = trial_config(definition, {"learning_rate": 0.05, "batch_size": 64, "clip_norm": math.inf})
    run = train(config, images, seed=5)
    assert run.result.divergence is not None
    assert run.autopsy is not None
    assert run.result.divergence.origin == run.autopsy.origin is not None
    assert run.result.divergence.cause is run.autopsy.cause
    assert run.autopsy.step == run.result.steps
