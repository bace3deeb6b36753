"""P(diverge by step t) at every point of the search space, with how sure that is.

A Gaussian process (`gaussian_process`) over the coordinates of `Encoding` and the logarithm of the step: the latent
function is the log odds of diverging within a period of training, given that the trial lived until then. Nearby
settings behave alike, how near is learned from the trials, bands are averaged over what is not known of that, and where
there are no trials the band opens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, wraps

import numpy as np
import pandas as pd
from scipy.special import log_expit, ndtri
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from typing_extensions import ParamSpec, TypeVar

from stability_sweep.analysis.horizons import Horizons
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
    weighed_kernels,
)
from stability_sweep.gaussian_process.binomial import root_of
from stability_sweep.results import columns
from stability_sweep.sources.frame import counted
from stability_sweep.space.encoding import Encoding
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array, Mask

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")

FEWEST_TRIALS = 5
"""With fewer trials there is no surface: counts say all there is to say."""

BAND = 0.90
"""Share of the posterior inside the credible band."""

RESOLUTION = 0.005
"""A band's end within this of 0 or 1 is drawn to it: no study of this size tells 0.1% from nothing."""

DRAWS = 256
"""From the posterior, for the band at a point."""

MOST_CELLS = 600
"""What more rows say is pooled: time grows with the cube."""

MOST_LEARNED, MOST_AVERAGED = 250, 450
"""Cells that the kernel is learned from; and up to how many cells there are several kernels: with more trials than
that gives, one of them has nearly all the weight."""

FOLDS = 5
MOST_VALIDATED = 500
CHUNK = 1000
"""Points that are predicted at once, so that memory stays small."""

QUALITY_COLUMNS = [columns.SCORE, columns.MODEL, columns.BASE_RATE, columns.TRIALS]


def _on_one_thread(function: Callable[Parameters, Returned]) -> Callable[Parameters, Returned]:
    """Matrices of this size are slower on several threads, and far slower on a busy machine."""

    @wraps(function)
    def limited(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Returned:
        with threadpool_limits(1):
            return function(*args, **kwargs)

    return limited


@dataclass(frozen=True)
class Surface:
    """A fitted surface."""

    encoding: Encoding
    periods: Periods
    horizons: Horizons
    mixture: Mixture
    cells: Cells
    trials: int
    """Trials that it rests on."""

    @property
    def longest_steps(self) -> int:
        """The longest horizon that was trained; what lies beyond is an extrapolation."""
        return self.periods.longest

    @_on_one_thread
    def predict(self, points: pd.DataFrame, steps: int | None = None) -> pd.DataFrame:
        """P(diverge) at points: ``probability``, ``median``, ``low`` and ``high``.

        The probability is the posterior mean: the one to bet on. The median is the one to look for a line in, since
        where little is known the mean leans to one half. The ends are those of the 90% credible band.

        Args:
            points: a column per dimension; others are ignored.
            steps: within how many; None for the horizon at each point.

        Raises:
            ValueError: if `steps` is less than 1.
        """
        encoded = self.encoding.encode(points)
        periods, passed = self._passed(encoded, steps)
        where = self.periods.coordinates_of(np.array(periods.ends, dtype=np.float64))
        noise = _noise(len(where))
        parts = [
            _summary(*self.mixture.block_draws(_in_periods(encoded[part], where), noise), passed[part])
            for part in _chunks(len(points))
        ]
        found = np.concatenate(parts, axis=1) if parts else np.zeros((4, 0))
        names = [columns.PROBABILITY, columns.MEDIAN, columns.LOW, columns.HIGH]
        return pd.DataFrame(dict(zip(names, found, strict=True)), index=points.index)

    @_on_one_thread
    def medians(self, points: pd.DataFrame) -> Array:
        """The median of `predict` alone, by the horizon, (points,): far quicker."""
        encoded = self.encoding.encode(points)
        where = _in_periods(encoded, self.periods.coordinates)
        mean = self.mixture.mean(where.reshape(-1, where.shape[2])).reshape(where.shape[:2])
        return _by_then(mean, self.periods.passed(self.horizons.at(encoded)))

    @_on_one_thread
    def draws(self, points: pd.DataFrame, count: int, *, seed: int, steps: int | None = None) -> Array:
        """Joint draws of P(diverge) from the posterior, (count, points): what belongs together stays together.

        Args:
            points: a column per dimension.
            count: of draws.
            seed: the same one gives the same draws.
            steps: as for `predict`.
        """
        encoded = self.encoding.encode(points)
        periods, passed = self._passed(encoded, steps)
        where = _in_periods(encoded, self.periods.coordinates_of(np.array(periods.ends, dtype=np.float64)))
        latent = self.mixture.draws(where.reshape(-1, where.shape[2]), count, seed=seed)
        return _by_then(latent.reshape(count, *where.shape[:2]), passed)

    def nearness(self, one: pd.DataFrame, others: pd.DataFrame) -> Array:
        """How alike the model thinks that settings behave, from 0 to 1, (one, others)."""
        within = Matern52(1.0, self.mixture.processes[0].kernel.lengths[:-1])
        return within(self.encoding.encode(one), self.encoding.encode(others))

    def _passed(self, encoded: Array, steps: int | None) -> tuple[Periods, Array]:
        """The periods until then, and how much of each lies before it, (points, periods)."""
        if steps is None:
            return self.periods, self.periods.passed(self.horizons.at(encoded))
        if steps < 1:
            raise ValueError(f"expected at least 1 step, got {steps}")
        periods = self.periods.beyond(steps) if steps > self.periods.longest else self.periods
        return periods, periods.passed(np.full(len(encoded), float(steps)))


@_on_one_thread
def fit_surface(frame: pd.DataFrame, space: SearchSpace, *, seed: int = 0) -> Surface | None:
    """The surface of a study's trials.

    Trials that ran for less than others are no mixture: each one counts for as long as it was under observation.

    Args:
        frame: trials from `study_frame`; failed ones are left out. Without a column of steps, divergence has no time.
        space: its search space.
        seed: of the choice of trials where there are too many.

    Returns:
        None where there is nothing to fit: fewer than 5 trials, or no dimension with more than one value.
    """
    trials = counted(frame)
    encoding = Encoding.of(space)
    if len(trials) < FEWEST_TRIALS or not encoding.dimensions:
        return None
    encoded, lives = encoding.encode(trials), Lives.of(trials)
    horizons = Horizons.of(trials, encoded, lives)
    periods = Periods.until(horizons.longest)
    points, counts = lives.rows(encoded, periods)
    mean = _neutral_mean(prior_kernel(points.shape[1]), periods)
    few = _pooled(points, counts, prior_kernel(points.shape[1]), mean, MOST_LEARNED, seed)
    if len(Cells.merged(points, counts).trials) <= MOST_AVERAGED:
        kernels = weighed_kernels(few.points, *few.sums.T, mean=mean)
    else:
        kernels = [(1.0, learn_kernel(few.points, *few.sums.T, mean=mean))]
    cells = _pooled(points, counts, kernels[0][1], mean, MOST_CELLS, seed)
    processes = tuple(propagate(kernel, cells.points, *cells.sums.T, mean=mean) for _, kernel in kernels)
    mixture = Mixture(processes, np.array([weight for weight, _ in kernels]))
    return Surface(encoding, periods, horizons, mixture, cells, len(trials))


@_on_one_thread
def cross_validation(frame: pd.DataFrame, surface: Surface, *, seed: int = 0) -> pd.DataFrame:
    """How well the surface tells trials that it has not seen, beside a forecast that only knows the base rate.

    Five folds; the repeats of a point stay together. At most 500 random trials. The kernel's parameters
    come from all trials.

    Args:
        frame: the trials that the surface was fitted to.
        surface: whose kernel is judged.
        seed: of the choice of trials, and of the folds.

    Returns:
        One row per score (``log loss``, ``Brier score``; smaller is better): ``score``, ``model``, ``base_rate``,
        ``trials``. Empty if all trials ended alike.
    """
    trials = counted(frame)
    if len(trials) > MOST_VALIDATED:
        trials = trials.sample(MOST_VALIDATED, random_state=seed)
    encoded, lives = surface.encoding.encode(trials), Lives.of(trials)
    diverged = lives.diverged.astype(np.float64)
    if len(set(diverged)) < 2:
        return pd.DataFrame(columns=QUALITY_COLUMNS)
    _, group = np.unique(encoded.round(9), axis=0, return_inverse=True)
    fold = np.random.default_rng(seed).permutation(group.max() + 1)[group.ravel()] % FOLDS
    model, base = np.zeros(len(trials)), np.zeros(len(trials))
    for part in range(FOLDS):
        test, training = fold == part, fold != part
        if not test.any() or not training.any():
            continue
        known = _refitted(surface, encoded[training], Lives(lives.steps[training], lives.diverged[training]), seed)
        model[test] = known.predict(trials[test])[columns.PROBABILITY]
        base[test] = (diverged[training].sum() + 1) / (training.sum() + 2)  # Laplace's rule: never exactly 0 or 1
    scores: dict[str, Callable[[Array], float]] = {
        "log loss": lambda p: float(-np.mean(np.log(np.where(diverged > 0, p, 1 - p).clip(1e-9)))),
        "Brier score": lambda p: float(np.mean((p - diverged) ** 2)),
    }
    rows = [[name, score(model), score(base), len(trials)] for name, score in scores.items()]
    return pd.DataFrame(rows, columns=QUALITY_COLUMNS)


def without(surface: Surface, trials: pd.DataFrame, left_out: Mask, *, seed: int = 0) -> Surface:
    """What the other trials say, with the heaviest kernel of all of them.

    Args:
        surface: of all trials.
        trials: those trials.
        left_out: which of them are to be forgotten, (trials,).
        seed: of the choice of trials where there are too many.
    """
    kept = trials[~left_out]
    return _refitted(surface, surface.encoding.encode(kept), Lives.of(kept), seed)


def _refitted(surface: Surface, encoded: Array, lives: Lives, seed: int) -> Surface:
    """The surface of other trials with the heaviest kernel of this one."""
    points, counts = lives.rows(encoded, surface.periods)
    heaviest = surface.mixture.processes[0]
    cells = _pooled(points, counts, heaviest.kernel, heaviest.mean, MOST_CELLS, seed)
    process = propagate(heaviest.kernel, cells.points, *cells.sums.T, mean=heaviest.mean)
    mixture = Mixture((process,), np.ones(1))
    return Surface(surface.encoding, surface.periods, surface.horizons, mixture, cells, len(encoded))


def _pooled(points: Array, counts: Array, kernel: Matern52, mean: float, most: int, seed: int) -> Cells:
    """Few enough cells: pools where the outcome is certain are large.

    Args:
        points: of the rows, (rows, coordinates).
        counts: "diverged" and "trials" of each, (rows, 2).
        kernel: in whose lengths neighbours are near.
        mean: of the latent function before any trial.
        most: cells.
        seed: of the choice of rows for the pilot.
    """

    def pilot(cells: Cells) -> BinomialProcess:
        return fit_binomial(kernel, cells.points, *cells.sums.T, mean=mean)

    return cells_of(points, counts, pilot, np.array(kernel.lengths), seed=seed, most=most)


def _neutral_mean(kernel: Matern52, periods: Periods) -> float:
    """The mean of the latent function with which, before any trial, P(diverge by the longest horizon) is one half."""
    from scipy.optimize import brentq

    where = np.zeros((len(periods.ends), len(kernel.lengths)))
    where[:, -1] = periods.coordinates
    latent = _noise(len(where)) @ root_of(kernel(where, where), kernel.variance).T
    everything = np.ones((1, len(where)))

    def excess(mean: float) -> float:
        return float(_by_then((latent + mean)[:, None, :], everything).mean()) - 0.5

    return float(brentq(excess, -60.0, 20.0, xtol=1e-6))


def _in_periods(encoded: Array, where: Array) -> Array:
    """Every point in every period, which lie there on the axis of time: (points, periods, coordinates + 1)."""
    within = np.broadcast_to(where[None, :, None], (len(encoded), len(where), 1))
    return np.concatenate([np.repeat(encoded[:, None, :], len(where), axis=1), within], axis=2)


def _by_then(latent: Array, passed: Array) -> Array:
    """P(diverge) after the log odds of every period, (..., points, periods), of which so much has passed.

    Within a period the risk is taken for constant in the logarithm of the step.
    """
    return np.asarray(-np.expm1(np.einsum("...pj,pj->...p", log_expit(-latent), passed)))


def _summary(mean: Array, drawn: Array, passed: Array) -> Array:
    """Probability, median, low and high, (4, points), of latent means and draws, (draws, points, periods)."""
    probability = _by_then(drawn, passed)
    low, high = np.quantile(probability, [(1 - BAND) / 2, (1 + BAND) / 2], axis=0)
    return np.stack(
        [
            probability.mean(axis=0),
            _by_then(mean, passed),
            np.where(low < RESOLUTION, 0.0, low),
            np.where(high > 1 - RESOLUTION, 1.0, high),
        ]
    )


@lru_cache
def _noise(dimensions: int) -> Array:
    """Standard normal numbers that fill their space evenly, (draws, dimensions); always the same."""
    from scipy.stats import qmc

    return np.asarray(ndtri(qmc.Sobol(dimensions, rng=0).random(DRAWS)))


def _chunks(count: int) -> Iterator[slice]:
    for start in range(0, count, CHUNK):
        yield slice(start, start + CHUNK)
