"""What a setting gives when it does not diverge: the yardstick as a smooth function of the settings.

One trial is luck: of two equal settings one ends a little lower. So settings are ranked by a regression through all
finite trials. Yardsticks have heavy tails, some are infinite, and only their order is asked for: they are replaced by
the normal scores of their ranks (van der Waerden), a Gaussian process with a Matern kernel (nu = 5/2) and noise is
fitted to these, and what it says is turned back into yardsticks by the same table.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from stability_sweep.analysis.surface import BAND
from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome
from stability_sweep.sources.frame import counted, was_measured
from stability_sweep.space.encoding import Encoding
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array

if TYPE_CHECKING:
    from sklearn.gaussian_process import GaussianProcessRegressor

FEWEST_MEASURED = 8
"""With fewer yardsticks nothing is said of settings: their band would hold everything."""

MOST_FITTED = 300
"""Of more, so many random ones are fitted: time grows with the cube."""

SHORTEST, LONGEST = 0.05, 20.0
"""Lengths of the kernel, in units of an axis."""

LEAST_NOISE = 1e-3


@dataclass(frozen=True)
class Ranking:
    """A fitted regression."""

    encoding: Encoding
    process: GaussianProcessRegressor
    """From coordinates to normal scores."""
    scores: Array
    """Of the measured trials, ascending, (trials,)."""
    values: Array
    """Their yardsticks, ascending, (trials,); infinity is the worst."""

    def predict(self, points: pd.DataFrame) -> pd.DataFrame:
        """``expected``, ``expected_low``, ``expected_high``: the median yardstick at points, and its 90% band.

        It is that of trials which stay finite, and no lower than the lowest that was measured.

        Args:
            points: a column per dimension; others are ignored.
        """
        names = [columns.EXPECTED, columns.EXPECTED_LOW, columns.EXPECTED_HIGH]
        if points.empty:
            return pd.DataFrame(columns=names, index=points.index, dtype=np.float64)
        with threadpool_limits(1):
            mean, deviation = self.process.predict(self.encoding.encode(points), return_std=True)
        width = ndtri((1 + BAND) / 2) * deviation
        found = [self._yardstick(score) for score in (mean, mean - width, mean + width)]
        return pd.DataFrame(dict(zip(names, found, strict=True)), index=points.index)

    def _yardstick(self, score: Array) -> Array:
        """The yardstick of a score, interpolated; what lies towards an infinite one is infinite."""
        finite = np.isfinite(self.values)
        if not finite.any():
            return np.full(len(score), math.inf)
        found = np.interp(score, self.scores[finite], self.values[finite])
        return np.where(finite.all() | (score <= self.scores[finite][-1]), found, math.inf)


def measured_yardsticks(frame: pd.DataFrame) -> pd.DataFrame:
    """The finite trials whose yardstick was measured; one that is NaN counts as infinite."""
    trials = counted(frame)
    if columns.YARDSTICK not in trials:
        return trials.head(0)
    is_finite = trials[columns.OUTCOME] != Outcome.DIVERGED.value
    found = trials[is_finite & was_measured(trials, columns.YARDSTICK)]
    return found.assign(**{columns.YARDSTICK: found[columns.YARDSTICK].fillna(math.inf)})


def fit_ranking(frame: pd.DataFrame, space: SearchSpace, *, seed: int = 0) -> Ranking | None:
    """The regression of a study's yardsticks.

    Args:
        frame: trials from `study_frame`; those that diverged or failed have no yardstick and are left out.
        space: its search space.
        seed: of the choice of trials where there are too many.

    Returns:
        None with fewer than 8 yardsticks, or nothing searched.
    """
    measured, encoding = measured_yardsticks(frame), Encoding.of(space)
    if len(measured) < FEWEST_MEASURED or not encoding.dimensions:
        return None
    if len(measured) > MOST_FITTED:
        measured = measured.sample(MOST_FITTED, random_state=seed).sort_index()
    values = measured[columns.YARDSTICK].to_numpy(np.float64)
    scores = ndtri((rankdata(values) - 0.5) / len(values))
    order = np.argsort(values, kind="stable")
    return Ranking(encoding, _fitted(encoding.encode(measured), scores), scores[order], values[order])


def _fitted(encoded: Array, scores: Array) -> GaussianProcessRegressor:
    """Kernel and noise from the marginal likelihood; scores have mean 0 already."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    lengths = np.ones(encoded.shape[1])
    kernel = ConstantKernel(1.0, (0.05, 20.0)) * Matern(lengths, (SHORTEST, LONGEST), nu=2.5)
    noise = WhiteKernel(0.2, (LEAST_NOISE, 2.0))
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a length at its bound is an answer: nothing depends on it
        learned = GaussianProcessRegressor(kernel + noise).fit(encoded, scores).kernel_
        # With the noise outside of the kernel, the deviation at a point is that of the setting, not of one more trial.
        process = GaussianProcessRegressor(learned.k1, alpha=learned.k2.noise_level, optimizer=None)
        return process.fit(encoded, scores)
