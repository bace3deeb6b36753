"""How much a forest needs each dimension to tell which trials diverge.

The importance of a dimension says that it matters, not in which direction: see `effects` for that.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from stability_sweep.analysis.groups import with_times
from stability_sweep.analysis.proportion import CONFIDENCE
from stability_sweep.results import columns
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array, Mask

MOST_FOREST_TRIALS = 1000
"""A study with more trials is judged by a random sample of them, for speed."""

FEWEST_TRIALS = 10
TREES = 40
FOLDS = 5
PERMUTATIONS = 2
SMALLEST_LEAF = 3

COLUMNS = [columns.DIMENSION, columns.IMPORTANCE, columns.LOW, columns.HIGH, columns.TRIALS]


def dimension_importance(frame: pd.DataFrame, space: SearchSpace, *, seed: int = 0) -> pd.DataFrame:
    """How much worse a forest predicts whether a trial diverges once a dimension's values are shuffled.

    A random forest (L. Breiman, Mach. Learn. 45, 2001) predicts the probability of divergence before the horizon for
    trials that it has not seen; the importance of a dimension is the increase of the Brier score, the mean squared
    error of that probability (0 to 1; 0.25 is a coin's). It sees interactions and thresholds that `hazard_effects`
    does not, but not the time of divergence. The interval is Student's over the folds, 95%, with the variance corrected
    for their shared training trials (C. Nadeau, Y. Bengio, Mach. Learn. 52, 2003). Trials at the same point are never
    divided between training and test, or the forest could recognize the point by any dimension.

    Args:
        frame: a study's trials, from `study_frame`.
        space: its search space.
        seed: of the sample that is taken where there are more than 1,000 trials, of folds, forest and shuffles.

    Returns:
        Columns ``dimension``, ``importance``, ``low``, ``high``, ``trials``; most important first. Dimensions with one
        value have no row. Empty with fewer than 10 trials, or fewer than two of either outcome.
    """
    trials = with_times(frame)
    if len(trials) > MOST_FOREST_TRIALS:
        trials = trials.sample(MOST_FOREST_TRIALS, random_state=seed)
    event = trials[columns.EVENT].to_numpy()
    positions = {
        name: np.array([axis.position(value) for value in trials[name].tolist()]) for name, axis in space.axes.items()
    }
    varied = {name: column for name, column in positions.items() if len(set(column.tolist())) > 1}
    rows: list[list[Any]] = []
    if len(trials) >= FEWEST_TRIALS and min(event.sum(), (~event).sum()) >= 2 and varied:
        increases = _score_increases(np.column_stack(list(varied.values())), event, seed)
        intervals = map(_mean_interval, increases.T) if len(increases) >= 2 else []
        for name, (value, low, high) in zip(varied, intervals, strict=False):
            rows.append([name, value, low, high, len(trials)])
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.sort_values(columns.IMPORTANCE, ascending=False, kind="stable").reset_index(drop=True)


def _score_increases(matrix: Array, event: Mask, seed: int) -> Array:
    """How much the Brier score of unseen trials grows by shuffling each column, (folds, columns)."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.inspection import permutation_importance
    from sklearn.model_selection import StratifiedGroupKFold

    def score(forest: Any, features: Array, diverged: Mask) -> float:
        return -float(np.mean((forest.predict_proba(features)[:, 1] - diverged) ** 2))

    point = np.unique(matrix, axis=0, return_inverse=True)[1]
    folds = int(min(FOLDS, event.sum(), (~event).sum(), point.max() + 1))
    increases = []
    if folds >= 2:
        for train, test in StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(matrix, event, point):
            if event[train].all() or not event[train].any():
                continue  # one point holds all trials of an outcome
            forest = RandomForestClassifier(TREES, min_samples_leaf=SMALLEST_LEAF, random_state=seed, n_jobs=1)
            forest.fit(matrix[train], event[train])
            found = permutation_importance(
                forest, matrix[test], event[test], scoring=score, n_repeats=PERMUTATIONS, random_state=seed, n_jobs=1
            )
            increases.append(found.importances_mean)
    return np.array(increases).reshape(-1, matrix.shape[1])


def _mean_interval(values: Array) -> tuple[float, float, float]:
    """Mean over the folds with Student's interval; its variance as Nadeau and Bengio correct it (n_test / n_train)."""
    from scipy.stats import t

    folds = len(values)
    error = math.sqrt(float(values.var(ddof=1)) * (1 / folds + 1 / (folds - 1)))
    mean, reach = float(values.mean()), float(t.isf((1 - CONFIDENCE) / 2, folds - 1)) * error
    return mean, mean - reach, mean + reach
