"""How well a trained RHVAE explains held-out images, whatever its batch size was.

The RHVAE's generative model is its prior N(0, I) and its decoder alone: flow, metric and momentum only serve to find
likely latents. So −log p(x) is estimated without them, by importance sampling. pythae's evaluation loss is no such
figure: it follows the flow through a metric that sums over the last 100 batches, and grows with their size.

Shapes: B images, D pixels, S samples, d latent dimension.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from stability_sweep.targets.rhvae.likelihood import LIKELIHOODS
from stability_sweep.targets.rhvae.model import RHVAE
from stability_sweep.targets.rhvae.networks import clamp_magnitude

SAMPLES = 32
"""S, per image; `benchmarks/yardstick.py` measures what more would change."""

IMAGES_AT_ONCE = 125
"""Only bounds memory: S times so many reconstructions are held."""


def negative_log_likelihood(model: RHVAE, images: Tensor, noise: torch.Generator, samples: int = SAMPLES) -> Tensor:
    """−log p(x) of every image in nats, by importance sampling; constants of log p(x|z) are left out, as in the loss.

    The estimate is ``−log (1/S) Σ_s p(x|z_s) p(z_s) / r(z_s|x)`` (Burda et al., "Importance Weighted Autoencoders",
    arXiv:1509.00519), whose expectation is never below −log p(x). Its proposal r is half the encoder's q(z|x) and half
    the prior: with the prior in it no weight is above 2 p(x|z), so an encoder that is sure of the wrong place makes the
    figure poor, and not infinite (a defensive mixture: Hesterberg, Technometrics 37, 1995).

    Args:
        model: in evaluation mode; nothing of it is changed.
        images: x, (B, D), values in [0, 1].
        noise: source of the samples.
        samples: S, even.

    Returns:
        (B,), float64. NaN or infinite where the networks are.
    """
    with torch.no_grad():
        parts = [_of_some(model, part, noise, samples) for part in torch.split(images, IMAGES_AT_ONCE)]
    return torch.cat(parts)


def _of_some(model: RHVAE, images: Tensor, noise: torch.Generator, samples: int) -> Tensor:
    like = next(model.parameters())
    images = images.to(like.dtype)
    mean, log_variance = model.encoder(images)
    log_variance = clamp_magnitude(log_variance, model.config.log_variance_clamp)
    shape = (samples, *mean.shape)
    drawn = torch.randn(shape, generator=noise, dtype=like.dtype, device=like.device)
    from_encoder = mean + drawn[: samples // 2] * torch.exp(0.5 * log_variance)
    latents = torch.cat([from_encoder, drawn[samples // 2 :]])
    log_prior = _log_normal(latents, torch.zeros_like(mean), torch.zeros_like(mean))
    log_encoder = _log_normal(latents, mean, log_variance)
    log_proposal = torch.logaddexp(log_encoder, log_prior) - math.log(2)
    reconstruction = model.decoder(latents.flatten(0, 1)).flatten(1)
    density = LIKELIHOODS[model.config.reconstruction_loss].log_density
    log_likelihood = density(reconstruction, images.repeat(samples, 1)).view(samples, -1)
    log_weights = (log_likelihood + log_prior - log_proposal).double()
    return math.log(samples) - torch.logsumexp(log_weights, dim=0)


def _log_normal(z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """log N(z; μ, σ²) without −d/2 log 2π, which is in prior and proposal alike; (S, B)."""
    return -0.5 * ((z - mean).square() * torch.exp(-log_variance) + log_variance).sum(dim=-1)
