"""Symmetric matrices as their entries on and below the diagonal.

Shapes: d size of a matrix, p = d(d+1)/2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def pack(matrices: Tensor) -> Tensor:
    """Entries on and below the diagonal: (B, d, d) to (B, p)."""
    return matrices.flatten(-2).index_select(-1, _layout_for(matrices).lower)


def unpack(packed: Tensor, d: int) -> Tensor:
    """The symmetric matrices of packed entries: (B, p) to (B, d, d)."""
    return packed.index_select(-1, _layout(d, packed.dtype, packed.device).mirror).view(-1, d, d)


def pack_outer(left: Tensor, right: Tensor) -> Tensor:
    """``pack(uvᵀ)`` for parallel u and v: both (B, d) to (B, p)."""
    layout = _layout(left.shape[-1], left.dtype, left.device)
    return left.index_select(-1, layout.rows) * right.index_select(-1, layout.columns)


def pack_symmetrized(matrices: Tensor) -> Tensor:
    """``pack`` of A + Aᵀ: (B, d, d) to (B, p)."""
    layout = _layout_for(matrices)
    flat = matrices.flatten(-2)
    return flat.index_select(-1, layout.lower) + flat.index_select(-1, layout.upper)


def multiplicity(like: Tensor) -> Tensor:
    """How often each packed entry occurs in its matrix, (p,), for a tensor of shape (..., d).

    ⟨A, M⟩ of symmetric matrices is the dot product of ``pack(A)`` with ``pack(M) * multiplicity``.
    """
    return _layout(like.shape[-1], like.dtype, like.device).multiplicity


def identity(like: Tensor) -> Tensor:
    """The packed identity of size d, (p,), for a tensor of shape (..., d)."""
    return _layout(like.shape[-1], like.dtype, like.device).identity


@dataclass(frozen=True)
class _Layout:
    rows: Tensor
    """(p,), row of each packed entry."""
    columns: Tensor
    """(p,), column of each packed entry."""
    lower: Tensor
    """(p,), position of each packed entry in the flattened matrix."""
    upper: Tensor
    """(p,), position of its mirror image."""
    mirror: Tensor
    """(d²,), packed entry of each position in the flattened matrix."""
    multiplicity: Tensor
    """(p,), how often a packed entry occurs in the matrix."""
    identity: Tensor
    """(p,), 1 on the diagonal."""


def _layout_for(matrices: Tensor) -> _Layout:
    return _layout(matrices.shape[-1], matrices.dtype, matrices.device)


_LAYOUTS: dict[tuple[int, torch.dtype, torch.device], _Layout] = {}
"""A dictionary, as torch.compile looks through functools' caches and would build every layout anew."""


def _layout(d: int, dtype: torch.dtype, device: torch.device) -> _Layout:
    key = (d, dtype, device)
    if key not in _LAYOUTS:
        _LAYOUTS[key] = _build_layout(d, dtype, device)
    return _LAYOUTS[key]


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _build_layout(d: int, dtype: torch.dtype, device: torch.device) -> _Layout:
    rows, columns = torch.tril_indices(d, d)
    mirror = torch.empty(d, d, dtype=torch.long)
    mirror[rows, columns] = mirror[columns, rows] = torch.arange(len(rows))
    diagonal = rows == columns
    return _Layout(
        rows=rows.to(device),
        columns=columns.to(device),
        lower=(rows * d + columns).to(device),
        upper=(columns * d + rows).to(device),
        mirror=mirror.flatten().to(device),
        multiplicity=torch.where(diagonal, 1.0, 2.0).to(device, dtype),
        identity=diagonal.to(device, dtype),
    )
