"""How good forecasts of unseen trials are, and whether they can be taken at their word: of 30%, do 3 in 10 diverge?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from stability_sweep.analysis.proportion import Proportion
from stability_sweep.results import columns
from stability_sweep.typing import Array

BINS = 10
"""Of equal width, from 0 to 100%; those without a forecast are left out."""

QUALITY_COLUMNS = [columns.SCORE, columns.MODEL, columns.BASE_RATE, columns.TRIALS]
CALIBRATION_COLUMNS = [
    columns.BAND,
    columns.LABEL,
    columns.PROBABILITY,
    columns.DIVERGED,
    columns.TOTAL,
    columns.FRACTION,
    columns.LOW,
    columns.HIGH,
    columns.IS_WITHIN,
]


def calibration(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Forecasts of trials that the model had not seen, in bins, beside what came of these trials.

    Args:
        forecasts: from `unseen_forecasts`.

    Returns:
        A row per bin that has forecasts: ``band`` (index), ``label`` (``20% to 30%``), ``probability`` (the mean
        forecast), ``diverged``, ``total``, ``fraction``, ``low``, ``high`` (Wilson's 95% interval), ``is_within``
        (whether that interval holds the mean forecast).
    """
    forecast = forecasts[columns.MODEL].to_numpy(np.float64)
    bins = np.minimum(np.floor(forecast * BINS).astype(int), BINS - 1)
    rows = []
    for place in np.unique(bins):
        inside = bins == place
        share = Proportion(int(forecasts[columns.EVENT].to_numpy()[inside].sum()), int(inside.sum()))
        mean, (low, high) = float(forecast[inside].mean()), share.interval
        label = f"{place / BINS:.0%} to {(place + 1) / BINS:.0%}"
        rows.append((place, label, mean, share.count, share.total, share.value, low, high, low <= mean <= high))
    return pd.DataFrame(rows, columns=CALIBRATION_COLUMNS)


def cross_validation(forecasts: pd.DataFrame) -> pd.DataFrame:
    """How good forecasts of unseen trials are.

    Args:
        forecasts: from `unseen_forecasts`.

    Returns:
        One row per score (``log loss``, ``Brier score``; smaller is better): ``score``, ``model``, ``base_rate``,
        ``trials``. Empty without forecasts.
    """
    if forecasts.empty:
        return pd.DataFrame(columns=QUALITY_COLUMNS)
    diverged = forecasts[columns.EVENT].to_numpy(np.float64)
    model, base = (forecasts[name].to_numpy(np.float64) for name in (columns.MODEL, columns.BASE_RATE))
    scores: dict[str, Callable[[Array], float]] = {
        "log loss": lambda p: float(-np.mean(np.log(np.where(diverged > 0, p, 1 - p).clip(1e-9)))),
        "Brier score": lambda p: float(np.mean((p - diverged) ** 2)),
    }
    rows = [[name, score(model), score(base), len(forecasts)] for name, score in scores.items()]
    return pd.DataFrame(rows, columns=QUALITY_COLUMNS)
