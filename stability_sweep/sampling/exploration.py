"""Sobol' points, and which trials of the boundary sampler are such points whatever the model thinks."""

from __future__ import annotations

import numpy as np

from stability_sweep.typing import Array

STARTUP_TRIALS = 16
"""Points before the model is asked at all."""

EXPLORED_EVERY = 8
"""After that, one point of so many: a share of exploration that no wrong belief of the model can take away."""


def is_explored(index: int) -> bool:
    """Whether the point of that index is one of the Sobol' sequence."""
    return index < STARTUP_TRIALS or index % EXPLORED_EVERY == EXPLORED_EVERY - 1


def sobol_point(dimensions: int, seed: int, index: int) -> Array:
    """One point of a scrambled Sobol' sequence in the unit cube, (dimensions,).

    Args:
        dimensions: of the cube; may be 0.
        seed: of the scrambling: another one is another sequence.
        index: of the point, from 0.
    """
    if dimensions == 0:
        return np.zeros(0)
    from scipy.stats import qmc  # takes longer to import than most commands run

    sequence = qmc.Sobol(dimensions, scramble=True, rng=seed)
    if index:
        sequence.fast_forward(index)
    return np.asarray(sequence.random(1)[0])
