"""Time to divergence: survival curves and hazards, for a few groups of trials along an axis (`groups`)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stability_sweep.analysis.groups import grouped
from stability_sweep.analysis.kaplan_meier import TAIL, KaplanMeier
from stability_sweep.results import columns
from stability_sweep.space.axes import Axis
from stability_sweep.typing import Integers

MOST_ROWS = 300
"""Rows of one curve; a thinned curve is nowhere wrong by more than about a 300th of its whole drop."""

HAZARD_STEPS = 1000
"""Hazards are events per this many steps."""

CURVE_COLUMNS = [
    columns.GROUP,
    columns.LABEL,
    columns.STEP,
    columns.SURVIVAL,
    columns.LOW,
    columns.HIGH,
    columns.AT_RISK,
    columns.EVENTS,
    columns.TOTAL,
]
HAZARD_COLUMNS = [
    columns.GROUP,
    columns.LABEL,
    columns.TRIALS,
    columns.EVENTS,
    columns.STEPS,
    columns.HAZARD,
    columns.LOW,
    columns.HIGH,
]


def survival_curves(frame: pd.DataFrame, axis: Axis) -> pd.DataFrame:
    """The share of trials that have not diverged yet, by step, for every group of an axis' bands.

    The band is pointwise, 95%, with Greenwood's variance on the log(-log) scale, which keeps it in [0, 1]
    (J. D. Kalbfleisch, R. L. Prentice, The Statistical Analysis of Failure Time Data, 1980, section 1.3). Where that
    scale ends it is exact binomial (C. J. Clopper, E. S. Pearson, Biometrika 26, 1934): before the first event the low
    end is that of no event among the trials at risk; after the last trial has diverged the high end is that of no
    survivor among the last ones at risk, or the one before if that is lower.

    Args:
        frame: a study's trials, from `study_frame`.
        axis: the dimension whose bands are compared; more than 5 are merged (`BandGroups`).

    Returns:
        Columns ``group`` (index), ``label``, ``step``, ``survival`` (after the step), ``low``, ``high``, ``at_risk``
        (trials just before the step), ``events`` (since the row before), ``total`` (trials of the group). A curve
        starts at step 0 with 1, goes on at step 1, and ends at the longest time under observation; between two rows
        it is flat. It has at most 300 rows. Groups without trials are left out.
    """
    tables = []
    for group, label, trials in grouped(frame, axis):
        curve = KaplanMeier.of(trials)
        table = curve.at(_thinned(curve))
        table.insert(0, columns.GROUP, group)
        table.insert(1, columns.LABEL, label)
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=CURVE_COLUMNS)


def _thinned(curve: KaplanMeier) -> Integers:
    """The steps of a curve's rows: the first in every bin of the drop, so that no drawn step is missed by more."""
    steps: Integers = np.unique(np.concatenate([curve.steps, [1, curve.last_step]]))
    if len(steps) <= MOST_ROWS:
        return steps
    lost = 1 - curve.at(steps)[columns.SURVIVAL].to_numpy()
    bins = np.floor(lost / lost[-1] * (MOST_ROWS - 3))  # the three rows that are always kept need room
    keep = np.diff(bins, prepend=-1) > 0
    keep[[0, 1, -1]] = True
    kept: Integers = steps[keep]
    return kept


def hazard_by_band(frame: pd.DataFrame, axis: Axis) -> pd.DataFrame:
    """How many trials diverge per 1,000 steps trained, for the groups of `survival_curves`.

    The interval is the exact one for a Poisson count (F. Garwood, Biometrika 28, 1936), 95%; it takes the hazard to
    be constant over steps and trials of a group, so a curve that is steep at first has no such single number.

    Returns:
        Columns ``group``, ``label``, ``trials``, ``events``, ``steps`` (trained, the diverging ones included),
        ``hazard``, ``low``, ``high`` (per 1,000 steps). Groups without trials are left out.
    """
    rows = []
    for group, label, trials in grouped(frame, axis):
        events, steps = int(trials[columns.EVENT].sum()), int(trials[columns.TIME].sum())
        low, high = poisson_interval(events)
        scale = HAZARD_STEPS / steps
        rows.append((group, label, len(trials), events, steps, events * scale, low * scale, high * scale))
    return pd.DataFrame(rows, columns=HAZARD_COLUMNS)


def poisson_interval(count: int) -> tuple[float, float]:
    """Exact 95% interval for the mean of a Poisson variable that was seen to be `count` (Garwood, 1936)."""
    from scipy.stats import chi2

    low = float(chi2.ppf(TAIL, 2 * count)) / 2 if count else 0.0
    return low, float(chi2.isf(TAIL, 2 * count + 2)) / 2
