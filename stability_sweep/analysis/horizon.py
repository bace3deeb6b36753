"""The chance of divergence at a horizon that nobody has run: the survival curve, carried on by an assumption."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from stability_sweep.analysis.groups import grouped, with_times
from stability_sweep.analysis.kaplan_meier import KaplanMeier
from stability_sweep.analysis.survival import poisson_interval
from stability_sweep.results import columns
from stability_sweep.space.axes import Axis

SUREST = 0.99
"""An extrapolation whose low end is above this would say that divergence is certain: an assumption makes nothing so."""

MOST_OPEN = 0.98
"""An extrapolation whose interval is wider than this says nothing."""


@dataclass(frozen=True)
class HorizonEstimate:
    """The probability that a trial diverges within some number of steps; its fields are the columns of a table."""

    horizon_steps: int
    probability: float
    """NaN where it is unknown: without trials, beyond the horizon of trials that had all diverged, and where an
    extrapolation says nothing."""
    low: float
    high: float
    """95% interval; (0, 1) without trials."""
    trials: int
    events: int
    """Trials that diverged, at whatever step."""
    is_extrapolated: bool
    """Whether no trial was observed for so long, so that the number rests on an assumption."""
    late_events: int
    late_steps: int
    """Divergences, and steps trained, in the second half of the observed steps."""


def divergence_at_horizon(frame: pd.DataFrame, horizon_steps: int) -> HorizonEstimate:
    """The probability that a trial has diverged by the end of `horizon_steps`, were it run for so long.

    Up to the longest time under observation L it is one minus the Kaplan-Meier estimate S, with its band. Beyond, it
    is assumed that the hazard h = late events / late steps of the second half (L/2, L] of the observed steps goes on:
    1 - S(L) exp(-h (T - L)) at T steps. The interval takes the ends together, 1 - S_high exp(-h_low (T - L)) and
    1 - S_low exp(-h_high (T - L)), with the exact Poisson interval of h. It is sure to hold in 90% by Bonferroni's
    inequality, and holds in more than 95% where the hazard is constant, because S and h err in the same direction.

    Where that interval is wider than 0.98, or its low end above 0.99, the assumption says nothing, or more than it can:
    then, too, the probability is unknown, and its interval reaches from what was seen to 1.

    If every trial had diverged by L, none was left whose hazard could go on: beyond their horizons the probability is
    unknown (NaN), and all that is known is that it is no lower than before (the low end stays, the high end is 1).

    The constant hazard is an assumption. Where the hazard falls with the steps (the unstable settings are gone early;
    training calms down) the estimate is too high; where it grows (a learning rate that still warms up) too low.

    Raises:
        ValueError: if the horizon is shorter than one step.
    """
    if horizon_steps < 1:
        raise ValueError(f"expected a horizon of at least 1 step, got {horizon_steps}")
    trials = with_times(frame)
    if trials.empty:
        return HorizonEstimate(horizon_steps, math.nan, 0.0, 1.0, 0, 0, False, 0, 0)
    return _at_horizon(trials, KaplanMeier.of(trials), horizon_steps)


def horizon_table(frame: pd.DataFrame, axis: Axis, horizons: Sequence[int]) -> pd.DataFrame:
    """`divergence_at_horizon` for every group of `survival_curves` that has trials, and for every horizon in steps.

    Args:
        frame: a study's trials, from `study_frame`.
        axis: the dimension whose bands are compared.
        horizons: in steps, each at least 1.

    Returns:
        Columns ``group``, ``label``, then those of `HorizonEstimate`.
    """
    rows = []
    for group, label, trials in grouped(frame, axis):
        curve = KaplanMeier.of(trials)
        rows += [
            {columns.GROUP: group, columns.LABEL: label, **asdict(_at_horizon(trials, curve, steps))}
            for steps in horizons
        ]
    return pd.DataFrame(rows, columns=[columns.GROUP, columns.LABEL, *HorizonEstimate.__dataclass_fields__])


def _at_horizon(trials: pd.DataFrame, curve: KaplanMeier, horizon_steps: int) -> HorizonEstimate:
    """The estimate that `divergence_at_horizon` describes, from rows of `with_times` and their curve."""
    last = curve.last_step
    figures = [columns.SURVIVAL, columns.LOW, columns.HIGH]
    survival, low, high = curve.at([min(horizon_steps, last)])[figures].to_numpy()[0].tolist()
    # Once every trial has diverged, the rest of their horizons is known without being run.
    known = last if survival > 0 else max(last, int(trials[columns.HORIZON].max()))
    times, event = trials[columns.TIME].to_numpy(), trials[columns.EVENT].to_numpy()
    # The second half of the observed steps begins after last // 2: events in it, and steps that were trained in it.
    late_events = int((event & (times > last // 2)).sum())
    late_steps = int(np.maximum(times - last // 2, 0).sum())
    beyond = max(0, horizon_steps - known) / late_steps
    fewest, most = poisson_interval(late_events)
    is_extrapolated = horizon_steps > known
    probability, ends = 1 - survival, (1 - high, 1 - low)
    if is_extrapolated and survival == 0:
        probability, ends = math.nan, (1 - high, 1.0)
    elif is_extrapolated:
        probability = 1 - survival * math.exp(-late_events * beyond)
        ends = 1 - high * math.exp(-fewest * beyond), 1 - low * math.exp(-most * beyond)
        if ends[1] - ends[0] > MOST_OPEN or ends[0] > SUREST:
            probability, ends = math.nan, (1 - high, 1.0)
    return HorizonEstimate(
        horizon_steps,
        probability=probability,
        low=ends[0],
        high=ends[1],
        trials=len(trials),
        events=int(event.sum()),
        is_extrapolated=is_extrapolated,
        late_events=late_events,
        late_steps=late_steps,
    )
