"""The Riemannian metric of the latent space, as matrix products.

The inverse metric at z is G⁻¹(z) = Σ_j M_j exp(−‖z − μ_j‖²/T²) + λI (arXiv:2010.11518). The sum over j is the product
of a (B, N) matrix of weights with the matrices M_j flattened; no tensor of shape (B, N, d, d) is ever made. As the M_j
are symmetric, only their p = d(d+1)/2 entries on and below the diagonal are kept ("packed").

Shapes: B positions, N centroids (the batch itself in training), d latent dimension, p packed size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from stability_sweep.targets.rhvae.packing import identity, multiplicity, pack, pack_outer, pack_symmetrized, unpack


@dataclass(frozen=True)
class LocalMetric:
    """The metric at B positions."""

    weights: Tensor
    """exp(−‖z_b − μ_j‖²/T²), (B, N)."""
    inverse: Tensor
    """G⁻¹, (B, d, d)."""
    tensor: Tensor
    """G, (B, d, d); NaN where G⁻¹ is not positive definite."""
    log_det: Tensor
    """log det G, (B,); NaN where G⁻¹ is not positive definite."""

    @cached_property
    def half_tensor(self) -> Tensor:
        """½G, packed, (B, p)."""
        return pack(self.tensor).mul_(0.5)

    def velocity(self, momentum: Tensor) -> Tensor:
        """G⁻¹ρ, (B, d), for ρ (B, d)."""
        return torch.bmm(self.inverse, momentum.unsqueeze(-1)).squeeze(-1)


@dataclass(frozen=True)
class RiemannianMetric:
    """Centroids with their matrices."""

    centroids: Tensor
    """μ, (N, d)."""
    packed: Tensor
    """M, (N, p)."""
    temperature: float
    """T."""
    regularization: float
    """λ."""

    @classmethod
    def from_factors(
        cls,
        centroids: Tensor,
        factors: Tensor,
        temperature: float,
        regularization: float,
        *,
        condition_cap: float = math.inf,
    ) -> RiemannianMetric:
        """The metric whose matrices are M_j = L_j L_jᵀ, or, with a cap c on the condition number, better conditioned.

        Then M_j = L_j L_jᵀ + tr(L_j L_jᵀ)/(c − 1) · I: the largest eigenvalue of L_j L_jᵀ is at most its trace t, so
        that the condition number is at most (t + t/(c − 1)) / (t/(c − 1)) = c. A sum of such matrices with weights
        above zero, and λI, has no larger one, so cond(G⁻¹(z)) ≤ c at every z. Only the M_j change, so every derivative
        stays exact. The form is that of shrinkage towards the identity (Ledoit and Wolf, J. Multivariate Anal. 88,
        2004). It shrinks a little also where the condition number was below c, and up to d times as much as is needed.

        Args:
            centroids: μ_j, (N, d).
            factors: L_j, (N, d, d), lower triangular.
            temperature: T, the width of the kernels.
            regularization: λ, added to the diagonal of the inverse metric.
            condition_cap: c, above 1; infinity leaves the matrices as they are.
        """
        packed = pack(torch.bmm(factors, factors.mT))
        if not math.isinf(condition_cap):
            traces = factors.square().sum(dim=(-2, -1)).unsqueeze(-1)
            packed = torch.addcmul(packed, traces, identity(centroids), value=1 / (condition_cap - 1))
        return cls(centroids, packed, temperature, regularization)

    @cached_property
    def doubled(self) -> Tensor:
        """M with every entry off the diagonal twice, (N, p), for inner products of symmetric matrices; a constant."""
        return self.packed.detach() * multiplicity(self.centroids)

    def at(self, position: Tensor) -> LocalMetric:
        """Evaluate the metric at z, (B, d)."""
        weights = torch.exp(squared_distances(position, self.centroids) * (-1 / self.temperature**2))
        packed = torch.addmm(identity(position), weights, self.packed, beta=self.regularization)
        inverse = unpack(packed, position.shape[-1])
        tensor, log_det = inverse_and_log_det(inverse)
        return LocalMetric(weights, inverse, tensor, log_det)

    def position_gradient(self, position: Tensor, momentum: Tensor, local: LocalMetric) -> Tensor:
        """∂_z of ½ρᵀG⁻¹(z)ρ + ½ log det G(z), (B, d), with ρ, μ and M held fixed.

        Both terms have one shape: the derivative of G⁻¹ in direction i, contracted with G − ρρᵀ, is
        (1/T²) Σ_j w_bj ⟨G − ρρᵀ, M_j⟩ (z_b − μ_j).
        """
        pull = (_half_difference(local, momentum) @ self.doubled.mT).mul_(local.weights)
        return _moment(pull, position, self.centroids, 2 * self.temperature**-2)

    def at_with_gradient(self, position: Tensor, momentum: Tensor) -> tuple[LocalMetric, Tensor]:
        """Both of the above at once, with one backward pass for them, written by hand."""
        inverse, log_det, gradient, weights, tensor = _AtWithGradient.apply(  # type: ignore[no-untyped-call]
            position, momentum, self.centroids, self.packed, self.doubled, self.temperature, self.regularization
        )
        return LocalMetric(weights, inverse, tensor, log_det), gradient


class _AtWithGradient(torch.autograd.Function):
    """G⁻¹, log det G and the position gradient g. In the backward pass a bar is the derivative of the loss."""

    @staticmethod
    def forward(
        ctx: Any,
        z: Tensor,
        rho: Tensor,
        mu: Tensor,
        packed: Tensor,
        M: Tensor,
        temperature: float,
        regularization: float,
    ) -> tuple[Tensor, ...]:
        local = RiemannianMetric(mu, packed, temperature, regularization).at(z)
        difference = _half_difference(local, rho)
        product = difference @ M.mT
        pull = local.weights * product
        gradient = _moment(pull, z, mu, 2 * temperature**-2)
        ctx.save_for_backward(z, rho, mu, packed, M, local.weights, local.tensor, difference, product, pull)
        ctx.sharpness = temperature**-2
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(local.weights, local.tensor)
        return local.inverse, local.log_det, gradient, local.weights, local.tensor

    @staticmethod
    def backward(ctx: Any, *bars: Tensor | None) -> tuple[Tensor | None, ...]:
        inverse_bar, log_det_bar, gradient_bar, _, _ = bars
        z, rho, mu, packed, M, W, G, difference, product, pull = ctx.saved_tensors
        # g = 2 (Σ_j pull_bj (z_b − μ_j)) / T², pull = W ∘ product, product = ⟨½(G − ρρᵀ), M⟩
        moment_bar = 2 * ctx.sharpness * (torch.zeros_like(z) if gradient_bar is None else gradient_bar)
        pull_bar = torch.addmm((moment_bar * z).sum(dim=1, keepdim=True), moment_bar, mu.mT, alpha=-1)
        product_bar = pull_bar * W
        difference_bar = unpack(product_bar @ packed, z.shape[-1])
        rho_bar = torch.bmm(difference_bar, rho.unsqueeze(-1)).squeeze(-1).neg_()
        # d(S⁻¹) = −S⁻¹ dS S⁻¹ and d(log det S⁻¹) = −tr(S⁻¹ dS), for S = G⁻¹ = unpack(W M + λI)
        product_of_two = torch.bmm(G, difference_bar)
        start = torch.zeros_like(G) if inverse_bar is None else inverse_bar
        inverse_bar = torch.baddbmm(start, product_of_two, G, alpha=-0.5)
        if log_det_bar is not None:
            inverse_bar.addcmul_(log_det_bar.view(-1, 1, 1), G, value=-1)
        packed_bar = pack_symmetrized(inverse_bar).mul_(0.5)
        W_bar = torch.addmm(pull_bar * product, packed_bar, M.mT)
        M_bar = (torch.cat([product_bar, W]).mT @ torch.cat([difference, packed_bar])).mul_(multiplicity(z))
        # W = exp(−‖z_b − μ_j‖²/T²)
        distance_bar = W_bar.mul_(W).mul_(-2 * ctx.sharpness)
        z_bar = torch.addcmul(_moment(distance_bar, z, mu), pull.sum(dim=1, keepdim=True), moment_bar)
        mu_bar = distance_bar.sum(dim=0).unsqueeze(-1) * mu - distance_bar.mT @ z - pull.mT @ moment_bar
        return z_bar, rho_bar, mu_bar, M_bar, None, None, None


def _half_difference(local: LocalMetric, momentum: Tensor) -> Tensor:
    """½(G − ρρᵀ), packed, (B, p): with the half taken first, as autograd takes it, it overflows where pythae does."""
    return local.half_tensor - pack_outer(momentum, 0.5 * momentum)


def _moment(weights: Tensor, position: Tensor, centroids: Tensor, scale: float = 1.0) -> Tensor:
    """scale · Σ_j weights_bj (z_b − μ_j), (B, d)."""
    return torch.addmm(weights.sum(dim=1, keepdim=True) * position, weights, centroids, beta=scale, alpha=-scale)


def squared_distances(position: Tensor, centroids: Tensor) -> Tensor:
    """‖z_b − μ_j‖² for all pairs, (B, N), from differences: the expansion with ‖z‖² would lose small distances."""
    return torch.cdist(position, centroids, compute_mode="donot_use_mm_for_euclid_dist").square()


def inverse_and_log_det(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """S⁻¹ and log det S⁻¹ of symmetric positive definite matrices (B, d, d), from one Cholesky factorisation.

    Where the factorisation refuses (S is not finite, or not positive definite in this precision), both are NaN: a
    divergence, not a crash.
    """
    factor, refused = torch.linalg.cholesky_ex(matrices)
    factor = factor.masked_fill((refused != 0).view(-1, 1, 1), torch.nan)
    return torch.cholesky_inverse(factor), factor.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1).mul_(-2)
