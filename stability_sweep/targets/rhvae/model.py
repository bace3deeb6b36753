"""The Riemannian Hamiltonian VAE.

Source of the mathematics: Chadebec, Mantoux, Allassonnière, "Geometry-Aware Hamiltonian Variational Auto-Encoder",
arXiv:2010.11518. Where pythae 0.1.2 departs from the paper we follow pythae, because that is what people train:
the constants of log p(x|z) and log p(ρ|z) are dropped, and the momentum is drawn with the metric network's factor.

Shapes: B batch, D pixels, d latent dimension, p = d(d+1)/2.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stability_sweep.targets.rhvae.decoding import Decoded, decode_by_autograd
from stability_sweep.targets.rhvae.leapfrog import PhasePoint, Potential, Trajectory, integrate
from stability_sweep.targets.rhvae.metric import RiemannianMetric
from stability_sweep.targets.rhvae.networks import MLPDecoder, MLPMetric, clamp_magnitude
from stability_sweep.targets.rhvae.packing import identity
from stability_sweep.targets.rhvae.registry import decoder_class, encoder_class
from stability_sweep.targets.rhvae.settings import RHVAEConfig

REMEMBERED_BATCHES = 100
"""How many training batches make up the metric that evaluation uses."""


@dataclass(frozen=True)
class ForwardPass:
    """What one evaluation of the model gives: the losses, and everything that they were computed from."""

    images: Tensor
    """(B, D)."""
    latent_noise: Tensor
    """e, (B, d)."""
    momentum_noise: Tensor
    """γ, (B, d)."""
    mean: Tensor
    """μ, (B, d)."""
    log_variance: Tensor
    """log σ², (B, d)."""
    factors: Tensor | None
    """The metric network's L, (B, d, d); None where the metric is the remembered one."""
    metric: RiemannianMetric
    trajectory: Trajectory
    losses: Tensor
    """Negative evidence lower bound of every image, (B,)."""


class RHVAE(nn.Module):
    """RHVAE with the networks that the settings name.

    In training mode the metric's centroids are the batch's own encodings. In evaluation mode they are those of the
    last 100 training batches, so that the loss of an image does not depend on its neighbours.
    """

    def __init__(self, config: RHVAEConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder_class(config)(config.latent_dim)
        self.decoder = decoder_class(config)(config.latent_dim)
        self.metric = MLPMetric(config.latent_dim, config.metric_log_diagonal_clamp, config.activation)
        self._remembered: deque[tuple[Tensor, Tensor]] = deque(maxlen=REMEMBERED_BATCHES)
        self._evaluation_metric: RiemannianMetric | None = None
        self._compiled: Callable[..., ForwardPass] | None = None

    def remembered_training(self) -> tuple[tuple[Tensor, Tensor], ...]:
        """Centroids and matrices of the last training batches; see `engine.protocol.RemembersTraining`."""
        return tuple(self._remembered)

    def recall_training(self, remembered: tuple[tuple[Tensor, Tensor], ...]) -> None:
        """Evaluate with these again: a batch of weights that were given up must not be part of the metric."""
        self._remembered = deque(remembered, maxlen=REMEMBERED_BATCHES)
        self._evaluation_metric = None

    def compile_forward(self, mode: str) -> None:
        """Have ``torch.compile`` fuse the forward and backward pass; it happens at the first loss of every shape."""
        self._compiled = torch.compile(self.compute, mode=mode)

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
        return self.forward_pass(
            images, latent_noise=latent_noise, momentum_noise=momentum_noise, generator=generator
        ).losses.mean()

    def forward_pass(
        self,
        images: Tensor,
        *,
        latent_noise: Tensor | None = None,
        momentum_noise: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> ForwardPass:
        """The losses with everything that led to them; arguments as for `loss`.

        In training mode the batch's metric is remembered for evaluation.
        """
        like = next(self.parameters())
        images = images.to(like.dtype)
        shape = (len(images), self.config.latent_dim)
        latent_noise, momentum_noise = (
            torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device) if noise is None else noise
            for noise in (latent_noise, momentum_noise)
        )
        compute = self._compiled or self.compute
        if not self.training:
            return compute(images, latent_noise, momentum_noise, self._remembered_metric())
        done = compute(images, latent_noise, momentum_noise)
        self._remembered.append((done.metric.centroids.detach(), done.metric.packed.detach()))
        self._evaluation_metric = None
        return done

    def compute(
        self, images: Tensor, latent_noise: Tensor, momentum_noise: Tensor, remembered: RiemannianMetric | None = None
    ) -> ForwardPass:
        """`forward_pass` as a function of tensors alone, so that it can be compiled, and that changes nothing.

        `remembered` replaces the batch's own metric.
        """
        mean, log_variance = self.encoder(images)
        log_variance = clamp_magnitude(log_variance, self.config.log_variance_clamp)
        position = torch.addcmul(mean, latent_noise, torch.exp(0.5 * log_variance))
        metric, factors = remembered, None
        if metric is None:
            factors = self.metric(images)
            metric = RiemannianMetric.from_factors(
                mean,
                factors,
                self.config.temperature,
                self.config.regularization,
                condition_cap=self.config.metric_condition_cap,
            )
        momentum_factors = factors if self.config.momentum_factor == "network" else None

        def potential(z: Tensor) -> Potential:
            decoded = self._decode(z, images)
            return Potential(decoded.log_likelihood, decoded.gradient + z)

        # The leapfrog treats what is evaluated at the start as constant; a momentum drawn with G depends on it.
        with torch.set_grad_enabled(torch.is_grad_enabled() and momentum_factors is None):
            start, local = potential(position), metric.at(position)
        if momentum_factors is None:
            momentum_factors = torch.linalg.cholesky_ex(local.tensor).L
        momentum = torch.bmm(momentum_factors, (momentum_noise / self.config.beta_zero).unsqueeze(-1)).squeeze(-1)
        trajectory = integrate(
            PhasePoint(position, momentum, start, local),
            metric,
            potential,
            steps=self.config.n_lf,
            step_size=self.config.eps_lf,
            beta_zero=self.config.beta_zero,
            gradient_cap=self.config.hamiltonian_gradient_cap,
        )
        losses = _negative_elbo(trajectory.end, latent_noise, log_variance)
        return ForwardPass(
            images, latent_noise, momentum_noise, mean, log_variance, factors, metric, trajectory, losses
        )

    def _decode(self, latent: Tensor, images: Tensor) -> Decoded:
        if isinstance(self.decoder, MLPDecoder):
            return self.decoder.decode(latent, images, self.config.reconstruction_loss)
        return decode_by_autograd(self.decoder, latent, images, self.config.reconstruction_loss)

    def _remembered_metric(self) -> RiemannianMetric:
        if self._evaluation_metric is None:
            self._evaluation_metric = self._collect_remembered()
        return self._evaluation_metric

    def _collect_remembered(self) -> RiemannianMetric:
        if not self._remembered:
            # Before any training: one centroid at the origin with the identity and T = 1, as in pythae.
            origin = torch.zeros(1, self.config.latent_dim).to(next(self.parameters()))
            return RiemannianMetric(origin, identity(origin).unsqueeze(0), 1.0, self.config.regularization)
        centroids, packed = (torch.cat(parts) for parts in zip(*self._remembered, strict=True))
        return RiemannianMetric(centroids, packed, self.config.temperature, self.config.regularization)


def _negative_elbo(end: PhasePoint, noise: Tensor, log_variance: Tensor) -> Tensor:
    """−[log p(x|z_K) + log p(z_K) + log p(ρ_K|z_K) − log q(z_0|x)], (B,); the two log 2π terms cancel."""
    kinetic = end.momentum * end.metric.velocity(end.momentum)
    quadratic = torch.addcmul(kinetic, end.position, end.position) - torch.addcmul(log_variance, noise, noise)
    return 0.5 * (quadratic.sum(dim=-1) + end.metric.log_det) - end.potential.log_likelihood
