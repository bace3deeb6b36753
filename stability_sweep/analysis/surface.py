"""P(diverge) at every point of the search space, with how sure that is.

A Gaussian-process classifier (Rasmussen and Williams 2006, chapter 3) over the coordinates of `Encoding`: nearby
settings behave alike, how near is learned from the trials (one length per coordinate, by the largest posterior of the
kernel's parameters), and where there are no trials the band opens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps

import numpy as np
import pandas as pd
from scipy.special import expit, ndtri
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from typing_extensions import ParamSpec, TypeVar

from stability_sweep.gaussian_process import (
    BinomialProcess,
    Cells,
    SquaredExponential,
    cells_of,
    fit_binomial,
    learn_kernel,
)
from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome
from stability_sweep.sources.frame import counted
from stability_sweep.space.encoding import Encoding
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")

FEWEST_TRIALS = 5
"""With fewer trials there is no surface: counts say all there is to say."""

BAND = 0.90
"""Share of the posterior inside the credible band."""

RESOLUTION = 0.005
"""A band's end within this of 0 or 1 is drawn to it: no study of this size tells 0.1% from nothing."""

FOLDS = 5
MOST_VALIDATED = 500
CHUNK = 4000
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
    kernel: SquaredExponential
    process: BinomialProcess
    cells: Cells

    @property
    def trials(self) -> int:
        """Trials that it rests on."""
        return int(self.cells.trials.sum())

    @_on_one_thread
    def predict(self, points: pd.DataFrame) -> pd.DataFrame:
        """P(diverge) at points (a column per dimension): ``probability``, ``median``, ``low`` and ``high``.

        The probability is the posterior mean: the one to bet on. The median is the one to look for a line in, since
        where little is known the mean leans to one half. The ends are those of the 90% credible band.
        """
        parts = [self.process.latent(part) for part in _chunks(self.encoding.encode(points))]
        mean = np.concatenate([part[0] for part in parts]) if parts else np.zeros(0)
        deviation = np.sqrt(np.concatenate([part[1] for part in parts])) if parts else np.zeros(0)
        reach = float(ndtri((1 + BAND) / 2)) * deviation
        low, high = expit(mean - reach), expit(mean + reach)
        return pd.DataFrame(
            {
                columns.PROBABILITY: _mean_probability(mean, deviation),
                columns.MEDIAN: expit(mean),
                columns.LOW: np.where(low < RESOLUTION, 0.0, low),
                columns.HIGH: np.where(high > 1 - RESOLUTION, 1.0, high),
            },
            index=points.index,
        )

    @_on_one_thread
    def draws(self, points: pd.DataFrame, count: int, *, seed: int) -> Array:
        """Joint draws of P(diverge) from the posterior, (count, points): what belongs together stays together."""
        return expit(self.process.draws(self.encoding.encode(points), count, seed))

    def nearness(self, one: pd.DataFrame, others: pd.DataFrame) -> Array:
        """How alike the model thinks that settings behave, from 0 to 1, (one, others)."""
        return self.kernel(self.encoding.encode(one), self.encoding.encode(others)) / self.kernel.variance


@_on_one_thread
def fit_surface(frame: pd.DataFrame, space: SearchSpace, *, seed: int = 0) -> Surface | None:
    """The surface of a study's trials.

    Args:
        frame: trials from `study_frame`; failed ones are left out. All have the horizon that the definition says.
        space: its search space.
        seed: of the choice of trials where there are too many.

    Returns:
        None where there is nothing to fit: fewer than 5 trials, or no dimension with more than one value.
    """
    trials = counted(frame)
    encoding = Encoding.of(space)
    if len(trials) < FEWEST_TRIALS or not encoding.dimensions:
        return None
    coordinates, diverged = encoding.encode(trials), _diverged(trials)
    kernel = learn_kernel(coordinates, diverged, seed)
    cells = cells_of(
        coordinates, diverged[:, None], lambda cells: _fit(kernel, cells), np.array(kernel.lengths), seed=seed
    )
    return Surface(encoding, kernel, _fit(kernel, cells), cells)


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
    coordinates, diverged = surface.encoding.encode(trials), _diverged(trials)
    if len(set(diverged)) < 2:
        return pd.DataFrame(columns=QUALITY_COLUMNS)
    _, group = np.unique(coordinates.round(9), axis=0, return_inverse=True)
    fold = np.random.default_rng(seed).permutation(group.max() + 1)[group.ravel()] % FOLDS
    model, base = np.zeros(len(trials)), np.zeros(len(trials))
    for part in range(FOLDS):
        test, training = fold == part, fold != part
        if not test.any() or not training.any():
            continue
        process = _fit(surface.kernel, Cells.merged(coordinates[training], diverged[training, None]))
        mean, variance = process.latent(coordinates[test])
        model[test] = _mean_probability(mean, np.sqrt(variance))
        base[test] = (diverged[training].sum() + 1) / (training.sum() + 2)  # Laplace's rule: never exactly 0 or 1
    scores: dict[str, Callable[[Array], float]] = {
        "log loss": lambda p: float(-np.mean(np.log(np.where(diverged > 0, p, 1 - p).clip(1e-9)))),
        "Brier score": lambda p: float(np.mean((p - diverged) ** 2)),
    }
    rows = [[name, score(model), score(base), len(trials)] for name, score in scores.items()]
    return pd.DataFrame(rows, columns=QUALITY_COLUMNS)


def _diverged(trials: pd.DataFrame) -> Array:
    return np.asarray(trials[columns.OUTCOME] == Outcome.DIVERGED.value, dtype=np.float64)


def _fit(kernel: SquaredExponential, cells: Cells) -> BinomialProcess:
    return fit_binomial(kernel, cells.points, cells.sums[:, 0], cells.trials)


def _mean_probability(mean: Array, deviation: Array) -> Array:
    """Mean of 1 / (1 + exp(-f)) over f ~ N(mean, deviation^2), by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite.hermgauss(24)
    values = expit(mean[:, None] + np.sqrt(2.0) * deviation[:, None] * nodes)
    return np.asarray(values @ weights / np.sqrt(np.pi))


def _chunks(coordinates: Array) -> Iterator[Array]:
    for start in range(0, len(coordinates), CHUNK):
        yield coordinates[start : start + CHUNK]
