"""The Riemannian metric of the latent space, as matrix products.

The inverse metric at z is G⁻¹(z) = Σ_j M_j exp(−‖z − μ_j‖²/T²) + λI (arXiv:2010.11518). The sum over j is the product
of a (B, N) matrix of weights with the matrices M_j flattened; no tensor of shape (B, N, d, d) is ever made. As the M_j
are symmetric, only their p = d(d+1)/2 entries on and below the diagonal are kept ("packed").

Shapes: B positions, N centroids (the batch itself in training), d latent dimension, p packed size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


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

    def detach(self) -> LocalMetric:
        """The same numbers, constant for backpropagation."""
        return LocalMetric(self.weights.detach(), self.inverse.detach(), self.tensor.detach(), self.log_det.detach())

    def squared_norm(self, momentum: Tensor) -> Tensor:
        """ρᵀG⁻¹ρ, (B,), for ρ (B, d)."""
        return (momentum * self.velocity(momentum)).sum(dim=-1)

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
    temperature: Tensor
    """T, a scalar."""
    regularization: Tensor
    """λ, a scalar."""

    @classmethod
    def from_factors(
        cls, centroids: Tensor, factors: Tensor, temperature: Tensor, regularization: Tensor
    ) -> RiemannianMetric:
        """The metric whose matrices are M_j = L_j L_jᵀ, for L of shape (N, d, d)."""
        return cls(centroids, pack(torch.bmm(factors, factors.mT)), temperature, regularization)

    def at(self, position: Tensor) -> LocalMetric:
        """Evaluate the metric at z, (B, d)."""
        distances = squared_distances(position, self.centroids)
        weights = torch.exp(-distances / self.temperature.square())
        identity = pack(torch.eye(position.shape[-1], dtype=position.dtype, device=position.device))
        inverse = unpack(weights @ self.packed + self.regularization * identity, position.shape[-1])
        tensor, log_det = inverse_and_log_det(inverse)
        return LocalMetric(weights, inverse, tensor, log_det)

    def position_gradient(self, position: Tensor, momentum: Tensor, local: LocalMetric) -> Tensor:
        """∂_z of ½ρᵀG⁻¹(z)ρ + ½ log det G(z), (B, d), with ρ, μ and M held fixed.

        Both terms have one shape: the derivative of G⁻¹ in direction i, contracted with G − ρρᵀ, is
        (1/T²) Σ_j w_bj ⟨G − ρρᵀ, M_j⟩ (z_b − μ_j).
        """
        difference = local.tensor - momentum.unsqueeze(-1) * momentum.unsqueeze(-2)
        pull = local.weights * (pack_dual(difference) @ self.packed.mT)
        moment = pull.sum(dim=1, keepdim=True) * position - pull @ self.centroids
        return moment / self.temperature.square()


def squared_distances(position: Tensor, centroids: Tensor) -> Tensor:
    """‖z_b − μ_j‖² for all pairs, (B, N), from differences: the expansion with ‖z‖² would lose small distances."""
    return _SquaredDistances.apply(position, centroids)  # type: ignore[no-untyped-call, no-any-return]


def inverse_and_log_det(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """S⁻¹ and log det S⁻¹ of symmetric positive definite matrices (B, d, d), from one Cholesky factorisation.

    Where the factorisation refuses (S is not finite, or not positive definite in this precision), both are NaN: a
    divergence, not a crash.
    """
    return _InverseAndLogDet.apply(matrices)  # type: ignore[no-untyped-call, no-any-return]


class _SquaredDistances(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, position: Tensor, centroids: Tensor) -> Tensor:
        ctx.save_for_backward(position, centroids)
        return torch.cdist(position, centroids, compute_mode="donot_use_mm_for_euclid_dist").square_()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (gradient,) = gradients
        position, centroids = ctx.saved_tensors
        of_position = gradient.sum(dim=1, keepdim=True) * position - gradient @ centroids
        of_centroids = gradient.sum(dim=0).unsqueeze(-1) * centroids - gradient.mT @ position
        return 2 * of_position, 2 * of_centroids


class _InverseAndLogDet(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrices: Tensor) -> tuple[Tensor, Tensor]:
        factor, refused = torch.linalg.cholesky_ex(matrices)
        factor = factor.masked_fill((refused != 0).view(-1, 1, 1), torch.nan)
        inverse = torch.cholesky_inverse(factor)
        log_det = -2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)
        ctx.save_for_backward(inverse)
        return inverse, log_det

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        of_inverse, of_log_det = gradients
        inverse: Tensor = ctx.saved_tensors[0]
        # d(S⁻¹) = −S⁻¹ dS S⁻¹ and d(log det S⁻¹) = −tr(S⁻¹ dS)
        return -inverse @ of_inverse @ inverse - of_log_det.view(-1, 1, 1) * inverse


def pack(matrices: Tensor) -> Tensor:
    """Entries on and below the diagonal: (..., d, d) to (..., p)."""
    layout = _layout(matrices.shape[-1], matrices.device)
    return matrices.flatten(-2).index_select(-1, layout.lower)


def unpack(packed: Tensor, d: int) -> Tensor:
    """The symmetric matrices of packed entries: (B, p) to (B, d, d)."""
    return packed.index_select(-1, _layout(d, packed.device).mirror).view(-1, d, d)


def pack_dual(matrices: Tensor) -> Tensor:
    """Packed form whose dot product with ``pack(M)`` is ⟨A, M⟩, for symmetric A: off-diagonal entries count twice."""
    layout = _layout(matrices.shape[-1], matrices.device)
    return pack(matrices) * layout.multiplicity.to(matrices.dtype)


@dataclass(frozen=True)
class _Layout:
    lower: Tensor
    """(p,), position of each packed entry in the flattened matrix."""
    mirror: Tensor
    """(d²,), packed entry of each position in the flattened matrix."""
    multiplicity: Tensor
    """(p,), how often a packed entry occurs in the matrix."""


@lru_cache(maxsize=32)
def _layout(d: int, device: torch.device) -> _Layout:
    rows, columns = torch.tril_indices(d, d)
    mirror = torch.empty(d, d, dtype=torch.long)
    mirror[rows, columns] = mirror[columns, rows] = torch.arange(len(rows))
    multiplicity = torch.where(rows == columns, 1.0, 2.0)
    return _Layout((rows * d + columns).to(device), mirror.flatten().to(device), multiplicity.to(device))
