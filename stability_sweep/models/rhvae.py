"""The Riemannian Hamiltonian VAE.

Source of the mathematics: Chadebec, Mantoux, Allassonnière, "Geometry-Aware Hamiltonian Variational Auto-Encoder",
arXiv:2010.11518. Where pythae 0.1.2 departs from the paper we follow pythae, because that is what people train:
the constants of log p(x|z) and log p(ρ|z) are dropped, and the momentum is drawn with the metric network's factor.

Shapes: B batch, D pixels, d latent dimension, p = d(d+1)/2.
"""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor, nn

from stability_sweep.configs import RHVAEConfig
from stability_sweep.models.decoding import Decoded, decode_by_autograd
from stability_sweep.models.leapfrog import PhasePoint, Potential, integrate
from stability_sweep.models.metric import RiemannianMetric
from stability_sweep.models.networks import MLPDecoder, MLPMetric, clamp_magnitude
from stability_sweep.models.packing import identity
from stability_sweep.models.registry import decoder_class, encoder_class

REMEMBERED_BATCHES = 100
"""How many training batches make up the metric that evaluation uses."""


class RHVAE(nn.Module):
    """RHVAE with the networks that the settings name.

    In training mode the metric's centroids are the batch's own encodings. In evaluation mode they are those of the
    last 100 training batches, so that the loss of an image does not depend on its neighbours.
    """

    temperature: Tensor
    regularization: Tensor
    beta_zero: Tensor

    def __init__(self, config: RHVAEConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder_class(config)(config.latent_dim)
        self.decoder = decoder_class(config)(config.latent_dim)
        self.metric = MLPMetric(config.latent_dim, config.metric_log_diagonal_clamp)
        for name in ("temperature", "regularization", "beta_zero"):
            self.register_buffer(name, torch.tensor(getattr(config, name), dtype=torch.get_default_dtype()))
        self._remembered: deque[tuple[Tensor, Tensor]] = deque(maxlen=REMEMBERED_BATCHES)

    def loss(
        self,
        images: Tensor,
        *,
        latent_noise: Tensor | None = None,
        momentum_noise: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Negative evidence lower bound, averaged over the batch: a scalar.

        Args:
            images: (B, D), values in [0, 1].
            latent_noise: e, (B, d), standard normal; drawn from `generator` if absent.
            momentum_noise: γ, (B, d), standard normal; drawn from `generator` if absent.
            generator: source of the noise; torch's global one if absent.

        Returns:
            A scalar that may be NaN or infinite; no error is raised for that.
        """
        return self.loss_per_image(
            images, latent_noise=latent_noise, momentum_noise=momentum_noise, generator=generator
        ).mean()

    def loss_per_image(
        self,
        images: Tensor,
        *,
        latent_noise: Tensor | None = None,
        momentum_noise: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Negative evidence lower bound of every image, (B,); arguments as for `loss`."""
        images = images.to(self.temperature.dtype)
        mean, log_variance = self.encoder(images)
        log_variance = clamp_magnitude(log_variance, self.config.log_variance_clamp)
        noise = _noise(latent_noise, mean, generator)
        position = mean + noise * torch.exp(0.5 * log_variance)
        if self.training:
            factors = self.metric(images)
            metric = self._batch_metric(mean, factors)
        else:
            metric = self._remembered_metric()

        def potential(z: Tensor) -> Potential:
            decoded = self._decode(z, images)
            return Potential(decoded.log_likelihood, decoded.gradient + z)

        # The leapfrog treats what is evaluated at the start as constant; a momentum drawn with G depends on it.
        from_metric = not self.training or self.config.momentum_factor == "cholesky"
        with torch.set_grad_enabled(torch.is_grad_enabled() and from_metric):
            start, local = potential(position), metric.at(position)
        if from_metric:
            factors = torch.linalg.cholesky_ex(local.tensor).L
        momentum = _noise(momentum_noise, mean, generator) / self.beta_zero
        momentum = torch.bmm(factors, momentum.unsqueeze(-1)).squeeze(-1)
        end = integrate(
            PhasePoint(position, momentum, start, local),
            metric,
            potential,
            steps=self.config.n_lf,
            step_size=self.config.eps_lf,
            beta_zero=self.beta_zero,
            gradient_cap=self.config.hamiltonian_gradient_cap,
        )
        return _negative_elbo(end, noise, log_variance)

    def _decode(self, latent: Tensor, images: Tensor) -> Decoded:
        if isinstance(self.decoder, MLPDecoder):
            return self.decoder.decode(latent, images, self.config.reconstruction_loss)
        return decode_by_autograd(self.decoder, latent, images, self.config.reconstruction_loss)

    def _batch_metric(self, centroids: Tensor, factors: Tensor) -> RiemannianMetric:
        metric = RiemannianMetric.from_factors(centroids, factors, self.temperature, self.regularization)
        self._remembered.append((metric.centroids.detach(), metric.packed.detach()))
        return metric

    def _remembered_metric(self) -> RiemannianMetric:
        if not self._remembered:
            # Before any training: one centroid at the origin with the identity and T = 1, as in pythae.
            origin = torch.zeros(1, self.config.latent_dim).to(self.temperature)
            return RiemannianMetric(
                origin, identity(origin).unsqueeze(0), torch.ones_like(self.temperature), self.regularization
            )
        centroids, packed = (torch.cat(parts) for parts in zip(*self._remembered, strict=True))
        return RiemannianMetric(centroids, packed, self.temperature, self.regularization)


def _noise(given: Tensor | None, like: Tensor, generator: torch.Generator | None) -> Tensor:
    if given is not None:
        return given
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=like.device)


def _negative_elbo(end: PhasePoint, noise: Tensor, log_variance: Tensor) -> Tensor:
    """−[log p(x|z_K) + log p(z_K) + log p(ρ_K|z_K) − log q(z_0|x)], (B,); the two log 2π terms cancel."""
    log_prior = -0.5 * end.position.square().sum(dim=-1)
    log_momentum = -0.5 * end.metric.squared_norm(end.momentum) - 0.5 * end.metric.log_det
    log_posterior = -0.5 * noise.square().sum(dim=-1) - 0.5 * log_variance.sum(dim=-1)
    return log_posterior - end.potential.log_likelihood - log_prior - log_momentum
