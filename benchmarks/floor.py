"""The matrix products that a training step of the default RHVAE cannot do without, alone.

Counted from the formulas (see docs/model.md), with outputs that exist already: no activation, no element-wise work, no
factorisation, no optimizer. Notation: B batch, D pixels, h and m hidden units, d latent dimension, p = d(d+1)/2.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from stability_sweep.targets.rhvae.leapfrog import FIXED_POINT_ITERATIONS
from stability_sweep.targets.rhvae.networks import DECODER_UNITS, ENCODER_UNITS, IMAGE_PIXELS, METRIC_UNITS

LATENT_DIM = 16


def products(n_lf: int, B: int) -> list[tuple[int, int, int, int]]:
    """(rows, inner size, columns, how often) of every product of one step."""
    D, h, m, d = IMAGE_PIXELS, DECODER_UNITS, METRIC_UNITS, LATENT_DIM
    p, K = d * (d + 1) // 2, n_lf
    networks = [
        *((B, D, ENCODER_UNITS, 1), (B, ENCODER_UNITS, 2 * d, 1), (B, D, m, 1), (B, m, p, 1)),
        # their backward pass: gradients of both layers' weights, and of the hidden units
        *((ENCODER_UNITS, B, D, 1), (2 * d, B, ENCODER_UNITS, 1), (B, 2 * d, ENCODER_UNITS, 1)),
        *((m, B, D, 1), (p, B, m, 1), (B, p, m, 1)),
    ]
    # The decoder and its gradient in z, at the start and after every leapfrog step; backward through all but the start.
    decoder = [(B, d, h, K + 1), (B, h, D, K + 1), (B, D, h, K + 1), (B, h, d, K + 1)]
    decoder_backward = [(B, d, h, K), (B, h, D, K), (B, D, h, K), (B, h, d, K), (D, 2 * B, h, K), (h, 2 * B, d, K)]
    gradients = (FIXED_POINT_ITERATIONS + 1) * K
    metric = [(B, B, p, K + 1), (B, p, B, gradients), (B, B, d, gradients)]
    metric_backward = [(B, B, p, K), (B, d, B, K), (B, p, B, K), (B, 2 * B, p, K), (B, B, d, 3 * K)]
    return [*networks, *decoder, *decoder_backward, *metric, *metric_backward]


def floor_step(n_lf: int, batch: int, device: str) -> Callable[[], None]:
    """All of them, ready to be called."""
    operands = [
        (torch.randn(a, b, device=device), torch.randn(b, c, device=device), torch.empty(a, c, device=device), count)
        for a, b, c, count in products(n_lf, batch)
    ]

    def step() -> None:
        for left, right, out, count in operands:
            for _ in range(count):
                torch.mm(left, right, out=out)

    return step
