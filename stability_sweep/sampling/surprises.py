"""Outcomes that the other trials did not let expect, and where to ask whether they were chance.

A lone divergence among survivors is noise, or the first sight of a second boundary. The model explains it away as long
as it is alone; a few trials beside it tell.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from stability_sweep.gaussian_process import BinomialProcess
from stability_sweep.sampling.acquisition import LEAST_VARIANCE, NODES, WEIGHTS
from stability_sweep.sampling.belief import LEAST_WEIGHT, Belief
from stability_sweep.sampling.cube import positions, reflected
from stability_sweep.space.coordinates import Coordinates, UnitRange
from stability_sweep.typing import Array

FOLLOWED_EVERY = 4
"""At most one point of so many follows up a surprise: chance surprises, too, and must not take the whole study."""

SURPRISING = 0.2
"""What the other trials gave the outcome at most."""

NEAR, ENOUGH = 0.05, 3
"""So many other trials within so much of it (coordinates run from 0 to 1) are an answer."""


REACH = (0.3, 0.65)
"""How far from a surprise one asks again, in `NEAR`: on a narrow ridge most of those places are still on it."""


def follows_up(index: int) -> bool:
    """Whether the point of that index may follow up a surprise."""
    return index % FOLLOWED_EVERY == 1


def forecasts(process: BinomialProcess, diverged: Array) -> Array:
    """The probability that the others gave to each cell's own outcome: (cells,).

    From the cavity, the posterior without the cell's own site (Rasmussen and Williams 2006, sections 3.6 and 5.4.2):
    none is fitted again.

    Args:
        process: after all of them; sites of what is pending are the last ones, and are no cells.
        diverged: whether each cell did, 1 or 0, (cells,).
    """
    size = len(diverged)
    mean, variance = process.latent(process.points[:size])
    weight, gradient = process.root_weights[:size] ** 2, process.gradient[:size]
    without = variance / np.maximum(1.0 - weight * variance, LEAST_VARIANCE)
    located = mean - without * gradient
    latent = located[:, None] + np.sqrt(without)[:, None] * NODES
    sign = np.where(diverged > 0, 1.0, -1.0)[:, None]
    return np.asarray(expit(sign * latent) @ WEIGHTS)


def unanswered(belief: Belief) -> Array | None:
    """The point, (coordinates,), of the most surprising outcome that has no answer yet; None if there is none."""
    cells = belief.cells
    diverged = (cells.sums[:, 0] > 0).astype(np.float64)
    forecast = belief.weights @ np.array([forecasts(process, diverged) for process in belief.processes])
    is_one_outcome = (cells.trials == 1) & (cells.sums[:, 1] >= LEAST_WEIGHT)
    for cell in np.argsort(forecast, kind="stable"):
        if forecast[cell] >= SURPRISING:
            break
        others = cells.trials[np.linalg.norm(cells.points - cells.points[cell], axis=1) <= NEAR].sum() - 1
        if is_one_outcome[cell] and others < ENOUGH:
            return np.asarray(cells.points[cell])
    return None


def place_beside(coordinates: Coordinates, values: Array, generator: np.random.Generator) -> Array:
    """Values of a place that is near enough to answer, (dimensions,); choices stay as they are.

    Its direction is drawn: where a trial is worth most is always on the same side of the surprise, the unknown one.

    Args:
        coordinates: the search space.
        values: of the surprise, (dimensions,).
        generator: draws the place.
    """
    is_range = np.array([isinstance(dimension, UnitRange) for dimension in coordinates.dimensions.values()])
    direction = generator.standard_normal(len(values)) * is_range
    direction /= max(float(np.linalg.norm(direction)), LEAST_VARIANCE)
    unit = reflected(positions(coordinates, values[None, :]) + NEAR * generator.uniform(*REACH) * direction)
    return np.where(is_range, coordinates.values(unit)[0], values)
