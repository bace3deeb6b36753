"""When those settings diverge that do: a discrete-time hazard over point and step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import log_expit, ndtri

from stability_sweep.analysis.periods import Lives, Periods
from stability_sweep.gaussian_process import (
    BinomialProcess,
    Cells,
    Matern52,
    Mixture,
    cells_of,
    fit_binomial,
    learn_kernel,
    prior_kernel,
    propagate,
)
from stability_sweep.gaussian_process.binomial import root_of
from stability_sweep.typing import Array, Mask

MOST_CELLS = 600
MOST_LEARNED = 250
"""Cells of the fit, and of learning the kernel: what more rows say is pooled, since time grows with the cube."""

DRAWS = 256
"""From the posterior, for the band at a point."""

SMALLEST = 1e-12
"""Of a probability that something is divided by."""


@dataclass(frozen=True)
class Timing:
    """The log odds of diverging within a period of training, given that the trial lived until then."""

    periods: Periods
    process: BinomialProcess
    """Over the coordinates of settings and, last, the period's."""

    @classmethod
    def of(cls, encoded: Array, lives: Lives, periods: Periods, seed: int) -> Timing:
        """Of the lives of trials at points.

        Args:
            encoded: the points, (trials, coordinates).
            lives: of the trials.
            periods: up to the longest horizon.
            seed: of the choice of rows where there are too many.
        """
        points, counts = lives.rows(encoded, periods)
        prior = prior_kernel(points.shape[1])
        mean = _neutral_mean(prior, periods)
        few = pooled(points, counts, prior, MOST_LEARNED, seed, mean=mean)
        kernel = learn_kernel(few.points, *few.sums.T, mean=mean)
        cells = pooled(points, counts, kernel, MOST_CELLS, seed, mean=mean)
        return cls(periods, propagate(kernel, cells.points, *cells.sums.T, mean=mean))

    def share_by(self, encoded: Array, steps: Array, horizon: Array) -> Array:
        """Of the divergences by the horizon, the share that come within so many steps, (points,); by the mean.

        Args:
            encoded: points, (points, coordinates).
            steps: at each, (points,), at most the horizon.
            horizon: at each, (points,).
        """
        where = self._in_periods(encoded, self.periods)
        mean = self.process.means(where.reshape(-1, where.shape[2])).reshape(where.shape[:2])
        by_then, in_all = (by(mean, self.periods.passed(each)) for each in (steps, horizon))
        return np.asarray(np.minimum(by_then / np.maximum(in_all, SMALLEST), 1.0))

    def moved(self, encoded: Array, median: Array, drawn: Array, horizon: Array, steps: float) -> tuple[Array, Array]:
        """P(diverge by a step) from P(diverge by the horizon): the median, (points,), and draws, (draws, points).

        Before the horizon a share of it; beyond, the survivors meet the later periods, too.

        Args:
            encoded: points, (points, coordinates).
            median: P(diverge by the horizon) there, (points,).
            drawn: draws of it, (draws, points).
            horizon: at each, in steps, (points,).
            steps: by when.
        """
        periods = self.periods.beyond(int(np.ceil(steps))) if steps > self.periods.longest else self.periods
        noise = even_noise(1 + len(periods.ends))[:, 1:]  # the first column is that of P by the horizon
        mixture = Mixture((self.process,), np.ones(1))
        mean, latent = mixture.block_draws(self._in_periods(encoded, periods), noise)
        then, end = periods.passed(np.full(len(encoded), steps)), periods.passed(horizon)
        return (
            _combined(median, by(mean, then), by(mean, end), is_beyond=steps > horizon),
            _combined(drawn, by(latent, then), by(latent, end), is_beyond=steps > horizon),
        )

    def moved_jointly(
        self, encoded: Array, median: Array, drawn: Array, horizon: Array, steps: Sequence[int], *, seed: int
    ) -> list[tuple[Array, Array]]:
        """`moved` for points that belong together: one draw is one world, at all points and steps.

        Args:
            encoded: points, (points, coordinates).
            median: P(diverge by the horizon) there, (points,).
            drawn: joint draws of it, (draws, points).
            horizon: at each, in steps, (points,).
            steps: by when; none beyond the longest horizon.
            seed: of the draws.
        """
        where = self._in_periods(encoded, self.periods)
        flat = where.reshape(-1, where.shape[2])
        mean = self.process.means(flat).reshape(where.shape[:2])
        latent = self.process.draws(flat, len(drawn), seed).reshape(len(drawn), *where.shape[:2])
        end = self.periods.passed(horizon)
        in_all, in_all_drawn = by(mean, end), by(latent, end)
        found = []
        for step in steps:
            then, beyond = self.periods.passed(np.full(len(encoded), float(step))), step > horizon
            found.append(
                (
                    _combined(median, by(mean, then), in_all, is_beyond=beyond),
                    _combined(drawn, by(latent, then), in_all_drawn, is_beyond=beyond),
                )
            )
        return found

    def _in_periods(self, encoded: Array, periods: Periods) -> Array:
        """Every point in every period: (points, periods, coordinates + 1)."""
        where = self.periods.coordinates_of(np.array(periods.ends, dtype=np.float64))
        within = np.broadcast_to(where[None, :, None], (len(encoded), len(where), 1))
        return np.concatenate([np.repeat(encoded[:, None, :], len(where), axis=1), within], axis=2)


def _combined(by_horizon: Array, then: Array, end: Array, *, is_beyond: Mask) -> Array:
    """P by a step from P by the horizon, and from what the hazard alone says of both; (..., points)."""
    share = by_horizon * np.minimum(then / np.maximum(end, SMALLEST), 1.0)
    survivors = (1.0 - by_horizon) * np.minimum((1.0 - then) / np.maximum(1.0 - end, SMALLEST), 1.0)
    return np.asarray(np.where(is_beyond, 1.0 - survivors, share))


def by(latent: Array, passed: Array) -> Array:
    """P(diverge) after the log odds of every period, (..., points, periods), of which so much has passed.

    Within a period the risk is taken for constant in the logarithm of the step.
    """
    return np.asarray(-np.expm1(np.einsum("...pj,pj->...p", log_expit(-latent), passed)))


def pooled(points: Array, counts: Array, kernel: Matern52, most: int, seed: int, *, mean: float = 0.0) -> Cells:
    """Few enough cells: pools where the outcome is certain are large.

    Args:
        points: of the rows, (rows, coordinates).
        counts: "diverged" and "trials" of each, (rows, 2).
        kernel: in whose lengths neighbours are near.
        most: cells.
        seed: of the choice of rows for the pilot.
        mean: of the latent function before any trial.
    """

    def pilot(cells: Cells) -> BinomialProcess:
        return fit_binomial(kernel, cells.points, *cells.sums.T, mean=mean)

    return cells_of(points, counts, pilot, np.array(kernel.lengths), seed=seed, most=most)


def _neutral_mean(kernel: Matern52, periods: Periods) -> float:
    """The mean of the latent function with which, before any trial, P(diverge by the longest horizon) is one half."""
    from scipy.optimize import brentq

    where = np.zeros((len(periods.ends), len(kernel.lengths)))
    where[:, -1] = periods.coordinates
    latent = even_noise(len(where)) @ root_of(kernel(where, where), kernel.variance).T
    everything = np.ones((1, len(where)))

    def excess(mean: float) -> float:
        return float(by((latent + mean)[:, None, :], everything).mean()) - 0.5

    return float(brentq(excess, -60.0, 20.0, xtol=1e-6))


@lru_cache
def even_noise(dimensions: int) -> Array:
    """Standard normal numbers that fill their space evenly, (draws, dimensions); always the same."""
    from scipy.stats import qmc

    return np.asarray(ndtri(qmc.Sobol(dimensions, rng=0).random(DRAWS)))
