"""P(diverge by step t) at every point of the search space, with how sure that is.

Two Gaussian processes (`gaussian_process`): one over the coordinates of `Encoding` for P(diverge by the horizon), and
one over the logarithm of the step, too, for when those diverge that do (`timing`). P(diverge by step t) is the product
of the first and of the share of its divergences that come by then; a trial that was cut off early counts in the first
by that share. Nearby settings behave alike, how near is learned from the trials, bands are averaged over what is not
known of that, and where there are no trials the band opens.

One process over point and step for both was tried. Where trials lie along the boundary, as a sampler puts them, its
line was off by several percent of the space: a survivor says eight times that it lived, and a trial that died early
says once that it did, so what is unknown beyond the line leaned to stable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps

import numpy as np
import pandas as pd
from scipy.special import expit
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from typing_extensions import ParamSpec, TypeVar

from stability_sweep.analysis.horizons import Horizons
from stability_sweep.analysis.periods import Lives, Periods
from stability_sweep.analysis.timing import MOST_CELLS, MOST_LEARNED, Timing, even_noise, pooled
from stability_sweep.gaussian_process import (
    Cells,
    Mixture,
    fit_binomial,
    learn_kernel,
    prior_kernel,
    propagate,
    weighed_kernels,
)
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

ROUNDS = 4
"""In which trials that were cut off learn from the others what they count for."""

ALMOST = 1.02
"""A trial that ran for all but so little of the horizon at its point ran for all of it: horizons are fitted."""

MOST_AVERAGED = 450
"""Up to so many cells there are several kernels: with more trials than that gives, one has nearly all the weight."""

FOLDS = 5
MOST_VALIDATED = 500
CHUNK = 1000
"""Points that are predicted at once, so that memory stays small."""

FORECAST_COLUMNS = [columns.MODEL, columns.BASE_RATE, columns.EVENT]


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
    horizons: Horizons
    by_horizon: Mixture
    """Of the log odds of diverging by the horizon, over the coordinates of settings."""
    timing: Timing | None
    """When those diverge that do; None where nobody wrote down any steps."""
    cells: Cells
    trials: int
    """Trials that it rests on."""

    @property
    def longest_steps(self) -> int:
        """The longest horizon that was trained; what lies beyond is an extrapolation."""
        return self.horizons.longest

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
        _check_steps(steps)
        encoded = self.encoding.encode(points)
        parts = [self._summary(encoded[part], steps) for part in _chunks(len(points))]
        found = np.concatenate(parts, axis=1) if parts else np.zeros((4, 0))
        names = [columns.PROBABILITY, columns.MEDIAN, columns.LOW, columns.HIGH]
        return pd.DataFrame(dict(zip(names, found, strict=True)), index=points.index)

    @_on_one_thread
    def along(
        self, points: pd.DataFrame, count: int, steps: Sequence[int | None], *, seed: int
    ) -> list[tuple[Array, Array]]:
        """For each number of steps the median of P(diverge), (points,), and joint draws of it, (count, points).

        Args:
            points: a column per dimension.
            count: of draws.
            steps: within how many, none beyond the longest horizon that was trained; None for the horizon at each
                point.
            seed: the same one gives the same draws.
        """
        encoded = self.encoding.encode(points)
        median = expit(self.by_horizon.mean(encoded))
        drawn = expit(self.by_horizon.draws(encoded, count, seed=seed))
        wanted = [step for step in steps if step is not None]
        if not wanted or self.timing is None:
            return [(median, drawn)] * len(steps)
        moved = iter(self.timing.moved_jointly(encoded, median, drawn, self.horizons.at(encoded), wanted, seed=seed))
        return [(median, drawn) if step is None else next(moved) for step in steps]

    def nearness(self, one: pd.DataFrame, others: pd.DataFrame) -> Array:
        """How alike the model thinks that settings behave, from 0 to 1, (one, others)."""
        kernel = self.by_horizon.processes[0].kernel
        return kernel(self.encoding.encode(one), self.encoding.encode(others)) / kernel.variance

    def _summary(self, encoded: Array, steps: int | None) -> Array:
        """Probability, median, low and high at points, (4, points)."""
        noise = even_noise(1)
        mean, latent = self.by_horizon.block_draws(encoded[:, None, :], noise)
        median, drawn = expit(mean[:, 0]), expit(latent[:, :, 0])
        if steps is not None and self.timing is not None:
            horizon = self.horizons.at(encoded)
            median, drawn = self.timing.moved(encoded, median, drawn, horizon, float(steps))
        low, high = np.quantile(drawn, [(1 - BAND) / 2, (1 + BAND) / 2], axis=0)
        ends = np.where(low < RESOLUTION, 0.0, low), np.where(high > 1 - RESOLUTION, 1.0, high)
        return np.stack([drawn.mean(axis=0), median, *ends])


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
    timing = Timing.of(encoded, lives, Periods.until(horizons.longest), seed) if horizons.longest > 1 else None
    counts = _counts(encoded, lives, horizons, timing)
    prior = prior_kernel(encoded.shape[1])
    few = pooled(encoded, counts, prior, MOST_LEARNED, seed)
    if len(Cells.merged(encoded, counts).trials) <= MOST_AVERAGED:
        kernels = weighed_kernels(few.points, *few.sums.T)
    else:
        kernels = [(1.0, learn_kernel(few.points, *few.sums.T))]
    cells = pooled(encoded, counts, kernels[0][1], MOST_CELLS, seed)
    processes = tuple(propagate(kernel, cells.points, *cells.sums.T) for _, kernel in kernels)
    mixture = Mixture(processes, np.array([weight for weight, _ in kernels]))
    return Surface(encoding, horizons, mixture, timing, cells, len(trials))


def _counts(encoded: Array, lives: Lives, horizons: Horizons, timing: Timing | None) -> Array:
    """What every trial says of divergence by the horizon at its point: "diverged" and "trials", (trials, 2).

    A trial that was cut off before that, alive, has the likelihood 1 - F G: of a chance F to diverge by the horizon,
    the share G comes by then. As counts it is G (1 - F) / (1 - F G) of a survivor: then the slope along the log odds of
    F is the same. F is that of the trials themselves, in a few rounds.
    """
    horizon = horizons.at(encoded)
    diverged = lives.diverged & (lives.steps <= horizon * ALMOST)
    counts = np.column_stack([diverged.astype(np.float64), np.ones(len(encoded))])
    cut_off = ~lives.diverged & (lives.steps * ALMOST < horizon)
    if timing is None or not cut_off.any():
        return counts
    share = timing.share_by(encoded[cut_off], lives.steps[cut_off], horizon[cut_off])
    chance = np.full(len(share), 0.5)
    prior = prior_kernel(encoded.shape[1])
    for _ in range(ROUNDS):
        counts[cut_off, 1] = share * (1.0 - chance) / (1.0 - chance * share)
        cells = pooled(encoded, counts, prior, MOST_LEARNED, 0)
        kernel = learn_kernel(cells.points, *cells.sums.T)
        chance = expit(fit_binomial(kernel, cells.points, *cells.sums.T).means(encoded[cut_off]))
    return counts


@_on_one_thread
def unseen_forecasts(frame: pd.DataFrame, surface: Surface, *, seed: int = 0) -> pd.DataFrame:
    """What the surface says of trials that it has not seen, beside a forecast that only knows the base rate.

    Five folds; the repeats of a point stay together. At most 500 random trials. The kernel's parameters
    come from all trials.

    Args:
        frame: the trials that the surface was fitted to.
        surface: whose kernel is judged.
        seed: of the choice of trials, and of the folds.

    Returns:
        One row per trial: ``model`` and ``base_rate`` (forecasts of P(diverge)), ``event`` (whether it diverged).
        Empty if all trials ended alike.
    """
    trials = counted(frame)
    if len(trials) > MOST_VALIDATED:
        trials = trials.sample(MOST_VALIDATED, random_state=seed)
    encoded, lives = surface.encoding.encode(trials), Lives.of(trials)
    if len(set(lives.diverged.tolist())) < 2:
        return pd.DataFrame(columns=FORECAST_COLUMNS)
    _, group = np.unique(encoded.round(9), axis=0, return_inverse=True)
    fold = np.random.default_rng(seed).permutation(group.max() + 1)[group.ravel()] % FOLDS
    model, base = np.zeros(len(trials)), np.zeros(len(trials))
    for part in range(FOLDS):
        test, training = fold == part, fold != part
        if not test.any() or not training.any():
            continue
        known = _refitted(surface, encoded[training], Lives(lives.steps[training], lives.diverged[training]), seed)
        model[test] = known.predict(trials[test])[columns.PROBABILITY]
        # Laplace's rule: never exactly 0 or 1.
        base[test] = (lives.diverged[training].sum() + 1) / (training.sum() + 2)
    return pd.DataFrame({columns.MODEL: model, columns.BASE_RATE: base, columns.EVENT: lives.diverged})


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
    counts = _counts(encoded, lives, surface.horizons, surface.timing)
    kernel = surface.by_horizon.processes[0].kernel
    cells = pooled(encoded, counts, kernel, MOST_CELLS, seed)
    mixture = Mixture((propagate(kernel, cells.points, *cells.sums.T),), np.ones(1))
    return Surface(surface.encoding, surface.horizons, mixture, surface.timing, cells, len(encoded))


def _check_steps(steps: int | None) -> None:
    if steps is not None and steps < 1:
        raise ValueError(f"expected at least 1 step, got {steps}")


def _chunks(count: int) -> Iterator[slice]:
    for start in range(0, count, CHUNK):
        yield slice(start, start + CHUNK)
