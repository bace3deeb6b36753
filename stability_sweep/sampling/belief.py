"""What the boundary sampler believes of the latent function after some trials."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from stability_sweep.gaussian_process import (
    BinomialProcess,
    Cells,
    Matern52,
    cells_of,
    fit_binomial,
    learn_kernel,
    propagate,
    weighed_kernels,
)
from stability_sweep.sampling.acquisition import LEAST_VARIANCE, Latent, expected_weight
from stability_sweep.sampling.evidence import Evidence
from stability_sweep.space.coordinates import Coordinates
from stability_sweep.typing import Array

MOST_CELLS = 512
"""What more trials say is pooled: an answer has to come within a fraction of a second."""

FEW = 200
"""Up to so many cells there are several kernels, and their posteriors are those of expectation propagation. With more
that takes too long: then there is one kernel, and Laplace's approximation."""

MOST_KERNELS = 5
"""Of those, the likeliest: a space of many coordinates has many that differ in what hardly matters."""

GROWTH = 1.1
"""The kernel is learned anew when there are so many times as many trials as at the last time."""

KERNEL_TRIALS = 300
"""The kernel is learned from at most so many of them: time grows with the cube."""

FEWEST_TRIALS, LEAST_WEIGHT = 8, 0.5
"""The model needs so many trials that count for at least so much."""

Kernels = list[tuple[float, Matern52]]
"""With weights that add up to one, the likeliest first."""


@dataclass(frozen=True)
class Belief:
    """Processes that each may be right, with weights, and the cells that they rest on."""

    processes: tuple[BinomialProcess, ...]
    weights: Array
    """(processes,); they add up to one."""
    cells: Cells
    """Of the finished trials, and of running ones by what they have lived."""

    @property
    def kernel(self) -> Matern52:
        """Of the likeliest process."""
        return self.processes[0].kernel

    def latent(self, points: Array) -> Latent:
        """Moments of the latent value at points, (points, coordinates)."""
        moments = np.array([process.latent(points) for process in self.processes])
        mean = self.weights @ moments[:, 0]
        variance = self.weights @ (moments[:, 1] + moments[:, 0] ** 2) - mean**2
        return Latent(mean, np.maximum(variance, LEAST_VARIANCE))

    def expecting(self, point: Array, share: float) -> Belief:
        """As firm at a point, (coordinates,), as that share of a trial there is expected to make it."""
        processes = tuple(
            process.expecting(point, share * expected_weight(process, point)) for process in self.processes
        )
        return Belief(processes, self.weights, self.cells)


def believe(evidence: Evidence, coordinates: Coordinates, kernels: Kernels, seed: int) -> Belief:
    """The latent function after the finished trials, and as firmly held as the running ones will hold it.

    Args:
        evidence: the trials.
        coordinates: the search space.
        kernels: with their weights, the heaviest first.
        seed: of the choice of trials for the pilot, where there are too many.
    """
    likeliest = kernels[0][1]

    def pilot(cells: Cells) -> BinomialProcess:
        return fit_binomial(likeliest, cells.points, *cells.sums.T)

    running, lived = coordinates.encode(evidence.pending), evidence.pending_weight
    points = np.vstack([coordinates.encode(evidence.values), running])
    diverged = np.append(evidence.diverged * evidence.weight, np.zeros(len(lived)))
    counts = np.column_stack([diverged, np.append(evidence.weight, lived)])
    cells = cells_of(points, counts, pilot, np.array(likeliest.lengths), seed=seed, most=MOST_CELLS)
    fit = propagate if len(cells.trials) <= FEW else fit_binomial
    processes = tuple(fit(kernel, cells.points, *cells.sums.T) for _, kernel in kernels)
    belief = Belief(processes, np.array([weight for weight, _ in kernels]), cells)
    for point, share in zip(running, lived, strict=True):
        belief = belief.expecting(point, 1.0 - share)
    return belief


@dataclass
class LearnedKernels:
    """The kernels of one study and search space, learned anew only now and then."""

    known: dict[tuple[int, bool], Kernels] = field(default_factory=dict)
    """The newest, by the number of trials that they were learned from and whether some of them are guesses."""

    def of(self, evidence: Evidence, coordinates: Coordinates, seed: int) -> Kernels | None:
        """Learned from the first 8, 9, 10, 11, 13, ... trials, so that whoever asks comes to the same; None before."""
        counts = evidence.weight >= LEAST_WEIGHT
        if counts.sum() < FEWEST_TRIALS:
            return None
        count = FEWEST_TRIALS
        while math.ceil(count * GROWTH) <= counts.sum():
            count = math.ceil(count * GROWTH)
        key = (count, evidence.guessed > 0)
        if key not in self.known:
            chosen = np.flatnonzero(counts)[:count]
            if count > KERNEL_TRIALS:
                chosen = np.random.default_rng(seed).choice(chosen, KERNEL_TRIALS, replace=False)
            points, diverged = coordinates.encode(evidence.values[chosen]), evidence.diverged[chosen]
            total = np.ones(len(chosen))
            if count <= FEW:
                likeliest = weighed_kernels(points, diverged, total)[:MOST_KERNELS]
                kept = sum(weight for weight, _ in likeliest)
                self.known = {key: [(weight / kept, kernel) for weight, kernel in likeliest]}
            else:
                self.known = {key: [(1.0, learn_kernel(points, diverged, total))]}
        return self.known[key]
