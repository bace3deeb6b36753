"""Settings that are said to help against divergence, each against its formula; and networks by name."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stability_sweep.errors import DefinitionError
from stability_sweep.models import RHVAE, RHVAEConfig
from stability_sweep.targets.rhvae.leapfrog import PhasePoint, Potential, integrate
from stability_sweep.targets.rhvae.metric import RiemannianMetric
from stability_sweep.targets.rhvae.networks import MLPMetric, clamp_magnitude

HERE = "tests.targets.rhvae.test_remedies"


class OwnEncoder(nn.Module):
    """What a user might write."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.mean = nn.Linear(784, latent_dim)
        self.log_variance = nn.Linear(784, latent_dim)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.mean(images), self.log_variance(images)


class OwnDecoder(nn.Module):
    """What a user might write: the default decoder, in other words."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.first = nn.Linear(latent_dim, 512)
        self.second = nn.Linear(512, 784)

    def forward(self, latent: Tensor) -> Tensor:
        return torch.sigmoid(self.second(torch.relu(self.first(latent))))


def loss_of(model: RHVAE, *, batch: int = 8) -> Tensor:
    images = torch.rand(batch, 784, generator=torch.Generator().manual_seed(1))
    return model.loss(images, generator=torch.Generator().manual_seed(2))


def build(**settings: Any) -> RHVAE:
    torch.manual_seed(0)
    return RHVAE(RHVAEConfig(**{"latent_dim": 4, "n_lf": 2, "eps_lf": 1e-2, **settings}))


@pytest.mark.parametrize(
    "remedy",
    [
        {"hamiltonian_gradient_cap": 1e-3},
        {"log_variance_clamp": 1e-3},
        {"metric_log_diagonal_clamp": 1e-3},
        {"metric_condition_cap": 2.0},
        {"momentum_factor": "cholesky"},
        {"precision": "float64"},
        *({"activation": name} for name in ("leaky_relu", "elu", "silu", "gelu", "tanh", "softplus")),
    ],
    ids=lambda remedy: "-".join(map(str, *remedy.items())),
)
def test_every_remedy_changes_the_loss_and_keeps_every_gradient(remedy: dict[str, Any]) -> None:
    plain, cured = loss_of(build()), build(**remedy).to(getattr(torch, remedy.get("precision", "float32")))
    loss = loss_of(cured)
    assert loss.item() != plain.item()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in cured.parameters())


def test_a_remedy_with_a_generous_limit_changes_nothing() -> None:
    generous = build(hamiltonian_gradient_cap=1e9, log_variance_clamp=1e9, metric_log_diagonal_clamp=1e9)
    assert loss_of(generous).item() == loss_of(build()).item()


def test_the_cap_bounds_every_kick_of_the_leapfrog() -> None:
    metric = RiemannianMetric.from_factors(torch.randn(5, 3), torch.randn(5, 3, 3).tril(), 1.0, 0.1)

    def steep(z: Tensor) -> Potential:
        return Potential(torch.zeros(len(z)), 1e6 * z)

    z = torch.randn(4, 3)
    start = PhasePoint(z, torch.zeros(4, 3), steep(z), metric.at(z))
    end = integrate(start, metric, steep, steps=1, step_size=0.1, beta_zero=1.0, gradient_cap=2.0).end
    assert (end.momentum.norm(dim=1) <= 0.1 * 2.0 + 1e-6).all()  # two half kicks of at most ε/2 · cap


def test_clamping_bounds_magnitudes_and_off_costs_nothing() -> None:
    values = torch.tensor([-5.0, 0.5, 5.0])
    assert clamp_magnitude(values, 2.0).tolist() == [-2.0, 0.5, 2.0]
    assert clamp_magnitude(values, math.inf) is values


def test_the_metric_clamp_bounds_the_diagonal_of_its_factors() -> None:
    torch.manual_seed(0)
    factors = MLPMetric(3, log_diagonal_clamp=0.01)(100 * torch.rand(6, 784))
    diagonal = factors.diagonal(dim1=1, dim2=2)
    assert (diagonal.log().abs() <= 0.01 + 1e-6).all()
    assert (factors.triu(1) == 0).all()


def capped_metric(cap: float) -> tuple[RiemannianMetric, Tensor]:
    """A metric of ill-conditioned factors with hardly any λ, and its centroids; float64."""
    generator = torch.Generator().manual_seed(3)
    centroids, factors = (torch.randn(size, generator=generator).double() for size in ((6, 4), (6, 4, 4)))
    factors = factors.tril() * torch.tensor([1e2, 1.0, 1e-1, 1e-3]).unsqueeze(1)
    return RiemannianMetric.from_factors(centroids, factors, 1.0, 1e-9, condition_cap=cap), centroids


@pytest.mark.parametrize("cap", [1.5, 10.0, 1e4])
def test_the_condition_cap_bounds_the_inverse_metric_near_and_far(cap: float) -> None:
    assert torch.linalg.cond(capped_metric(math.inf)[0].at(torch.zeros(1, 4).double()).inverse).item() > 1e5
    metric, centroids = capped_metric(cap)
    for position in (centroids, centroids + 0.7, 2 * centroids):
        assert (torch.linalg.cond(metric.at(position).inverse) <= cap * (1 + 1e-9)).all()


def test_the_condition_cap_adds_a_share_of_the_trace_to_the_diagonal() -> None:
    factors = torch.tensor([[[2.0, 0.0], [1.0, 3.0]]])
    packed = RiemannianMetric.from_factors(torch.zeros(1, 2), factors, 1.0, 0.1, condition_cap=8.0).packed
    assert packed.tolist() == [[4.0 + 14 / 7, 2.0, 10.0 + 14 / 7]]


def test_the_closed_form_gradient_is_exact_under_the_condition_cap() -> None:
    metric, centroids = capped_metric(10.0)
    z = (centroids + 0.3).requires_grad_()
    rho = torch.ones_like(z)
    local = metric.at(z)
    energy = 0.5 * (rho * local.velocity(rho)).sum() + 0.5 * local.log_det.sum()
    (expected,) = torch.autograd.grad(energy, z)
    found = metric.position_gradient(z.detach(), rho, metric.at(z.detach()))
    assert torch.allclose(found, expected, rtol=1e-8, atol=1e-10)


def test_the_backward_pass_by_hand_is_that_of_autograd_under_the_condition_cap() -> None:
    generator = torch.Generator().manual_seed(3)
    z = torch.randn(6, 4, generator=generator).double()
    factors = torch.randn(6, 4, 4, generator=generator).tril().double().requires_grad_()
    metric = RiemannianMetric.from_factors(z, factors, 1.0, 1e-2, condition_cap=10.0)
    by_hand, _ = metric.at_with_gradient(z + 0.3, torch.ones_like(z))
    plain = metric.at(z + 0.3)
    found, expected = (
        torch.autograd.grad(local.log_det.sum() + local.inverse.sum(), factors, retain_graph=True)[0]
        for local in (by_hand, plain)
    )
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("reconstruction_loss", ["mse", "bce"])
def test_a_users_own_networks_give_what_the_closed_form_gives(reconstruction_loss: str) -> None:
    own = build(encoder=f"{HERE}:OwnEncoder", decoder=f"{HERE}:OwnDecoder", reconstruction_loss=reconstruction_loss)
    closed = build(encoder=f"{HERE}:OwnEncoder", reconstruction_loss=reconstruction_loss)
    closed.load_state_dict(
        {
            name.replace("decoder.first", "decoder.layers.0.0").replace("decoder.second", "decoder.layers.1.0"): value
            for name, value in own.state_dict().items()
        }
    )
    losses = [loss_of(model.double()) for model in (own, closed)]
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-12)
    for loss in losses:
        loss.backward()
    for a, b in zip(own.parameters(), closed.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert torch.allclose(a.grad, b.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("network", ["conv", "resnet"])
def test_the_image_networks_train_and_evaluate(network: str) -> None:
    model = build(encoder=network, decoder=network)
    loss_of(model, batch=4).backward()
    assert all(p.grad is not None for p in model.parameters())
    model.eval()
    with torch.no_grad():
        assert loss_of(model, batch=4).isfinite()


@pytest.mark.parametrize("path", ["no.such.package:Net", f"{HERE}:NoSuchClass", f"{HERE}:HERE"])
def test_an_import_path_that_leads_nowhere_is_told(path: str) -> None:
    with pytest.raises(DefinitionError, match=r"model\.encoder: "):
        build(encoder=path)
