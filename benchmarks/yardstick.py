"""By which held-out figure may trained RHVAEs be compared? Candidates beside the importance-weighted likelihood.

Trains models over learning rates, batch sizes and two horizons on MNIST; the survivors are judged by every candidate,
and by a reference that needs no encoder: importance sampling around the most likely latent of every image (the
Gauss-Newton Laplace approximation as the proposal, mixed with encoder and prior), with its standard error. Every model
is one line of the CSV, so the benchmark may be stopped and started again.
Usage: ``python -m benchmarks.yardstick [--data DIR] [--table]``.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from torch import Tensor

from stability_sweep.engine.seeds import TrialSeeds, trial_seed
from stability_sweep.engine.settings import OutcomeConfig
from stability_sweep.engine.step import Stepper
from stability_sweep.results.outcome import Outcome, judge_finite_run
from stability_sweep.targets.images.images import Images, load_images
from stability_sweep.targets.rhvae.likelihood import LIKELIHOODS
from stability_sweep.targets.rhvae.model import RHVAE
from stability_sweep.targets.rhvae.trainable import VALIDATION_BATCH_IMAGES, TrainableRHVAE
from stability_sweep.targets.rhvae.yardstick import negative_log_likelihood
from tests.conftest import make_definition, trial_config

TABLE = Path(__file__).parent / "data" / "yardstick.csv"

RATES = (3e-5, 1e-4, 2e-4, 4e-4, 7e-4, 1e-3, 2e-3, 4e-3)
BATCHES = (16, 32, 64, 128, 256)
HORIZONS = (150, 400)

REFERENCE_SAMPLES, MODE_STEPS = 512, 100
SAMPLES_AT_ONCE = 64

Candidate = Callable[[RHVAE, Tensor, torch.Generator], Tensor]
"""The figure of every image, (B,); lower is better."""


def bound_without_flow(model: RHVAE, images: Tensor, noise: torch.Generator) -> Tensor:
    """The VAE's own bound at z0, with the exact Kullback-Leibler divergence."""
    mean, log_variance = model.encoder(images)
    drawn = torch.randn(mean.shape, generator=noise, dtype=mean.dtype)
    likelihood = _log_likelihood(model, mean + drawn * torch.exp(0.5 * log_variance), images)
    divergence: Tensor = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(dim=-1)
    return divergence - likelihood


def bound_with_flow(model: RHVAE, images: Tensor, noise: torch.Generator) -> Tensor:
    """The loss with log q(ρ0|z0), which pythae leaves out: a proper bound, through the remembered metric."""
    done = model.forward_pass(images, generator=noise)
    start = done.trajectory.points[0]
    return done.losses - 0.5 * (done.momentum_noise.square().sum(dim=-1) + start.metric.log_det)


CANDIDATES: dict[str, Candidate] = {
    "pythae's loss": lambda model, images, noise: model.forward_pass(images, generator=noise).losses,
    "reconstruction error": lambda model, images, noise: -_log_likelihood(model, model.encoder(images)[0], images),
    "bound at z0": bound_without_flow,
    "bound with flow": bound_with_flow,
    "weighted, 8": lambda model, images, noise: negative_log_likelihood(model, images, noise, 8),
    "weighted, 32": lambda model, images, noise: negative_log_likelihood(model, images, noise, 32),
    "weighted, 128": lambda model, images, noise: negative_log_likelihood(model, images, noise, 128),
}


def main() -> None:
    """Train and judge what is missing; print the rank correlations."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="folder with MNIST")
    parser.add_argument("--images", type=int, default=100, help="held-out images")
    parser.add_argument("--table", action="store_true", help="print what was measured, and run nothing")
    arguments = parser.parse_args()
    if not arguments.table:
        _measure(arguments.data, arguments.images)
    print_table(pd.read_csv(TABLE))


def _measure(data_dir: Path | None, held_out: int) -> None:
    known = pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=["horizon", "batch_size", "learning_rate"])
    done = set(known[["horizon", "batch_size", "learning_rate"]].itertuples(index=False, name=None))
    images: Images | None = None
    for number, (horizon, rate, batch) in enumerate(itertools.product(HORIZONS, RATES, BATCHES)):
        if (horizon, batch, rate) in done:
            continue
        definition = make_definition(
            training={"horizon_steps": horizon},
            model={"latent_dim": 16, "n_lf": 3, "eps_lf": 1e-2, "regularization": 1e-3},
            data={"dataset": "mnist", "training_images": 10000, "validation_images": held_out},
        )
        config = trial_config(definition, {"learning_rate": rate, "batch_size": batch, "clip_norm": math.inf})
        images = images or load_images(config.data, data_dir, torch.device("cpu"))
        row = judge(TrainableRHVAE(config, images), images.validation, trial_seed(1, number))
        keys = {"horizon": horizon, "batch_size": batch, "learning_rate": rate}
        table = pd.DataFrame([{**keys, **row}])
        table.to_csv(TABLE, mode="a", header=not TABLE.exists(), index=False, float_format="%.6g")
        print(table.to_string(header=number == 0, index=False), flush=True)


def judge(trainable: TrainableRHVAE, images: Tensor, seed: int) -> dict[str, Any]:
    """The outcome of one training, and every candidate's figure with its seconds."""
    stepper, losses = Stepper(trainable, TrialSeeds.of(seed)), []
    stepper.model.train()
    for number in range(1, trainable.horizon + 1):
        losses.append(float(stepper.step(number).loss_and_norm[0]))
        if not math.isfinite(losses[-1]):
            return {"outcome": Outcome.DIVERGED.value}
    rules = OutcomeConfig()
    final = float(np.median(losses[-rules.window_steps :]))
    outcome = judge_finite_run(losses[0], final, stalled_below=rules.stalled_below, exploded_above=rules.exploded_above)
    row: dict[str, Any] = {"outcome": outcome.value}
    model = stepper.model
    assert isinstance(model, RHVAE)
    model.eval()
    for name, candidate in CANDIDATES.items():
        noise, started = torch.Generator().manual_seed(seed), time.perf_counter()
        with torch.no_grad():
            parts = [candidate(model, part, noise) for part in torch.split(images, VALIDATION_BATCH_IMAGES)]
        row[name] = torch.cat(parts).double().mean().item()
        row[f"{name}, s"] = time.perf_counter() - started
    row["reference"], row["reference error"] = reference(model, images, torch.Generator().manual_seed(seed))
    return row


def reference(model: RHVAE, images: Tensor, noise: torch.Generator) -> tuple[float, float]:
    """Mean −log p(x) and the standard error that its samples leave (not that of the choice of images)."""
    mean, factor = _laplace(model, images)
    weights = []
    with torch.no_grad():
        for _ in range(REFERENCE_SAMPLES // SAMPLES_AT_ONCE):
            weights.append(_log_weights(model, images, mean, factor, noise))
    log_weights = torch.cat(weights).double()
    estimate = torch.logsumexp(log_weights, dim=0) - math.log(len(log_weights))
    relative = (log_weights - log_weights.max(dim=0).values).exp()
    error = relative.std(dim=0) / relative.mean(dim=0) / math.sqrt(len(log_weights))
    return -estimate.mean().item(), (error.square().sum().sqrt() / len(images)).item()


def _log_weights(model: RHVAE, images: Tensor, mean: Tensor, factor: Tensor, noise: torch.Generator) -> Tensor:
    """Of samples of which half are the Laplace approximation's, a quarter the encoder's and a quarter the prior's."""
    count, (images_count, dimension) = SAMPLES_AT_ONCE, mean.shape
    own_mean, log_variance = model.encoder(images)
    drawn = torch.randn(count, images_count, dimension, generator=noise)
    half, quarter = count // 2, count // 4
    latents = torch.cat(
        [
            mean + torch.linalg.solve_triangular(factor.mT, drawn[:half].unsqueeze(-1), upper=True).squeeze(-1),
            own_mean + drawn[half : half + quarter] * torch.exp(0.5 * log_variance),
            drawn[half + quarter :],
        ]
    )
    centred = torch.einsum("bij,sbj->sbi", factor.mT, latents - mean)
    laplace = factor.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1) - 0.5 * centred.square().sum(dim=-1)
    encoder = -0.5 * ((latents - own_mean).square() * torch.exp(-log_variance) + log_variance).sum(dim=-1)
    prior = -0.5 * latents.square().sum(dim=-1)
    shares = torch.tensor([0.5, 0.25, 0.25]).log()
    proposal = torch.logsumexp(torch.stack([laplace, encoder, prior]) + shares.view(3, 1, 1), dim=0)
    likelihood = _log_likelihood(model, latents.flatten(0, 1), images.repeat(count, 1)).view(count, -1)
    return likelihood + prior - proposal


def _laplace(model: RHVAE, images: Tensor) -> tuple[Tensor, Tensor]:
    """The most likely latent of every image, (B, d), and the Cholesky factor of JᵀJ + I there, (B, d, d)."""
    with torch.no_grad():
        latents = model.encoder(images)[0]
    latents = torch.nan_to_num(latents).clamp(-5, 5).requires_grad_()
    optimizer = torch.optim.Adam([latents], lr=0.05)
    for _ in range(MODE_STEPS):
        joint = _log_likelihood(model, latents, images) - 0.5 * latents.square().sum(dim=-1)
        (latents.grad,) = torch.autograd.grad(-joint.sum(), latents)
        optimizer.step()
    mode = latents.detach()
    jacobian = torch.func.vmap(torch.func.jacfwd(lambda z: model.decoder(z.unsqueeze(0)).flatten()))(mode)
    precision = jacobian.mT @ jacobian + torch.eye(mode.shape[1])
    return mode, torch.linalg.cholesky(precision)


def _log_likelihood(model: RHVAE, latents: Tensor, images: Tensor) -> Tensor:
    return LIKELIHOODS[model.config.reconstruction_loss].log_density(model.decoder(latents).flatten(1), images)


def print_table(rows: pd.DataFrame) -> None:
    """Spearman's rank correlation with the reference: over all models, and the ranking's dependence on batch size."""
    alive = rows.dropna(subset="reference")
    learned = alive[alive["outcome"] == "stable"]
    smallest, largest = alive["reference"].min(), alive["reference"].max()
    print(f"{len(rows)} trained, {len(alive)} finite, {len(learned)} stable")
    print(f"reference {smallest:.2f} to {largest:.2f} nats, largest error {alive['reference error'].max():.3f}")
    found = {}
    for name in CANDIDATES:
        within = [spearmanr(part[name], part["reference"])[0] for _, part in alive.groupby(["horizon", "batch_size"])]
        found[name] = {
            "all": spearmanr(alive[name], alive["reference"])[0],
            "stable only": spearmanr(learned[name], learned["reference"])[0],
            "worst batch size alone": min(within),
            "median gap, nats": (alive[name] - alive["reference"]).median(),
            "ms": alive[f"{name}, s"].median() * 1000,
        }
    print(pd.DataFrame.from_dict(found, orient="index").round(3).to_string())


if __name__ == "__main__":
    main()
