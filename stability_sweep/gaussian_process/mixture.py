"""Several processes that each may be right, with weights: what is known of the latent function whatever the kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stability_sweep.gaussian_process.binomial import BinomialProcess, root_of
from stability_sweep.typing import Array, Integers


@dataclass(frozen=True)
class Mixture:
    """Processes over the same coordinates."""

    processes: tuple[BinomialProcess, ...]
    weights: Array
    """(processes,); they add up to one."""

    def mean(self, at: Array) -> Array:
        """Of f at (points, coordinates): (points,)."""
        means = [process.means(at) for process in self.processes]
        return np.asarray(self.weights @ np.array(means))

    def shares(self, count: int) -> Integers:
        """How many of `count` draws belong to each process: by their weights, with the largest remainders."""
        exact = self.weights * count
        whole = np.floor(exact).astype(np.int64)
        left = np.argsort(-(exact - whole), kind="stable")[: count - int(whole.sum())]
        whole[left] += 1
        return whole

    def draws(self, at: Array, count: int, *, seed: int) -> Array:
        """Joint draws of f at (points, coordinates): (count, points); the same seed gives the same draws."""
        parts = [
            process.draws(at, int(share), seed + number)
            for number, (process, share) in enumerate(zip(self.processes, self.shares(count), strict=True))
            if share
        ]
        return np.vstack(parts)

    def block_draws(self, at: Array, noise: Array) -> tuple[Array, Array]:
        """The mean of f, and draws of f that are joint within each of some groups of points.

        Args:
            at: the groups, (groups, points, coordinates).
            noise: independent standard normal numbers, (draws, points): the same for every group, so that what is
                made of neighbouring groups differs by what is known there and not by chance.

        Returns:
            (groups, points) and (draws, groups, points).
        """
        drawn, first = [], 0
        mean = np.zeros(at.shape[:2])
        for process, weight, share in zip(self.processes, self.weights, self.shares(len(noise)), strict=True):
            centre, covariance = process.blocks(at)
            mean += weight * centre
            part = noise[first : first + share]
            first += int(share)
            drawn.append(centre + np.einsum("gij,dj->dgi", root_of(covariance, process.kernel.variance), part))
        return mean, np.concatenate(drawn)
