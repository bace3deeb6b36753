"""Which trials of the boundary sampler explore whatever the model thinks, and the Sobol' points that it starts with."""

from __future__ import annotations

import numpy as np

from stability_sweep.typing import Array

STARTUP_TRIALS = 16
"""Points before the model is asked at all."""

EXPLORED_EVERY = 4
"""After that, one point of so many goes into the widest gap (`gaps`): a share that no wrong belief can take away."""


def is_planned(index: int) -> bool:
    """Whether the point of that index follows from the index alone."""
    return index < STARTUP_TRIALS


def is_explored(index: int) -> bool:
    """Whether the point of that index is chosen without the model."""
    return is_planned(index) or index % EXPLORED_EVERY == EXPLORED_EVERY - 1


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


def sobol_points(dimensions: int, count: int, generator: np.random.Generator) -> Array:
    """So many points of a sequence that the generator scrambles, (count, dimensions)."""
    from scipy.stats import qmc

    return np.asarray(qmc.Sobol(dimensions, rng=generator).random(count))
