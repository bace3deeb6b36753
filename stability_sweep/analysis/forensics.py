"""Where divergence began, and which signals warned of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome, TrialResult
from stability_sweep.results.telemetry import Telemetry
from stability_sweep.space.axes import Axis
from stability_sweep.space.roles import LEARNING_RATE
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array, Integers

USUAL_TRIALS = 0.05
"""The usual range leaves out the extremes of this share of the stable trials on either side."""

MOST_TRIALS_PER_OUTCOME = 300
"""Stable and diverged trials whose telemetry is worth loading for the warning signs; an even choice of more."""

FEWEST_STABLE_TRIALS = 5
"""With fewer stable trials nobody knows what is usual."""

ORIGIN_COLUMNS = [
    columns.CAUSE,
    columns.ORIGIN,
    columns.TRIALS,
    columns.SHARE,
    columns.MEDIAN_STEP,
    columns.LOWEST_LEARNING_RATE,
    columns.HIGHEST_LEARNING_RATE,
]
BAND_COLUMNS = [
    columns.BAND,
    columns.LABEL,
    columns.CAUSE,
    columns.TRIALS,
    columns.SHARE,
    columns.MEDIAN_STEP,
]
WARNING_COLUMNS = [
    columns.SIGNAL,
    columns.WARNED,
    columns.DIVERGED,
    columns.LEAD_STEPS,
    columns.SHORTEST_LEAD_STEPS,
    columns.LONGEST_LEAD_STEPS,
    columns.FALSE_ALARMS,
    columns.STABLE,
    columns.LOW,
    columns.HIGH,
]


def divergence_origins(frame: pd.DataFrame, space: SearchSpace) -> pd.DataFrame:
    """How often divergence began in which tensor, most frequent first.

    Args:
        frame: a study's trials, from `study_frame`.
        space: its search space.

    Returns:
        Columns ``cause``, ``origin`` (None where the autopsy found none), ``trials``, ``share`` (of the diverged
        trials), ``median_step``, ``lowest_learning_rate``, ``highest_learning_rate`` (NaN in a study without
        one).
    """
    diverged = frame[frame[columns.OUTCOME] == Outcome.DIVERGED.value]
    rate = space.role(LEARNING_RATE)
    rates = pd.Series(np.nan, index=diverged.index) if rate is None else diverged[rate]
    groups = diverged.groupby([columns.DIVERGENCE_CAUSE, columns.DIVERGENCE_ORIGIN], dropna=False)
    rows = [
        {
            columns.CAUSE: cause,
            columns.ORIGIN: origin,
            columns.TRIALS: len(group),
            columns.SHARE: len(group) / len(diverged),
            columns.MEDIAN_STEP: float(group[columns.DIVERGENCE_STEP].median()),
            columns.LOWEST_LEARNING_RATE: float(rates[group.index].min()),
            columns.HIGHEST_LEARNING_RATE: float(rates[group.index].max()),
        }
        for (cause, origin), group in groups
    ]
    table = pd.DataFrame(rows, columns=ORIGIN_COLUMNS)
    return table.sort_values([columns.TRIALS, columns.MEDIAN_STEP], ascending=[False, True]).reset_index(drop=True)


def origins_by_band(frame: pd.DataFrame, axis: Axis) -> pd.DataFrame:
    """Where divergence began, by region: for every band of a dimension and cause how many trials.

    Returns:
        Columns ``band`` (index), ``label``, ``cause``, ``trials``, ``share`` (of the band's diverged trials),
        ``median_step``. Bands in which nothing diverged are left out.
    """
    diverged = frame[frame[columns.OUTCOME] == Outcome.DIVERGED.value]
    bands = pd.Series(axis.bands(diverged[axis.name].tolist()), index=diverged.index)
    rows = []
    for band, inside in diverged.groupby(bands):
        for cause, group in inside.groupby(columns.DIVERGENCE_CAUSE, dropna=False):
            share, median = len(group) / len(inside), float(group[columns.DIVERGENCE_STEP].median())
            rows.append([band, axis.labels[int(band)], cause, len(group), share, median])
    return pd.DataFrame(rows, columns=BAND_COLUMNS)


@dataclass(frozen=True)
class UsualRange:
    """Where a signal stays in stable trials."""

    low: float
    high: float

    def first_exit(self, steps: Integers, values: Array) -> int | None:
        """The first step at which the signal is outside, or not a number."""
        outside = ~((values >= self.low) & (values <= self.high))
        return int(steps[outside][0]) if outside.any() else None


def usual_range(lows: Array, highs: Array) -> UsualRange:
    """The range from the smallest and the largest value of a signal in each stable trial, both (trials,).

    Its ends are the 5th percentile of the smallest and the 95th of the largest values.
    """
    return UsualRange(float(np.quantile(lows, USUAL_TRIALS)), float(np.quantile(highs, 1 - USUAL_TRIALS)))


def warning_signs(trials: Iterable[tuple[TrialResult, Telemetry]], signals: Iterable[str]) -> pd.DataFrame:
    """How early and how reliably every signal warned of divergence.

    A signal warns in the first step in which it leaves its usual range; the diverging step itself is no warning. The
    usual range of a signal comes from the study's stable trials (`usual_range`); a stable trial is judged by the range
    of the others, so that it cannot excuse itself. Steps that telemetry left out cannot warn, so leads over 64 steps
    are known to a few percent only.

    A trial that never measured a signal (an older version did not have it yet) counts nowhere in that signal's row.

    Args:
        trials: results with their telemetry; only stable and diverged ones matter.
        signals: the series to look at, in their order.

    Returns:
        One row per signal, most reliable first: ``signal``, ``warned`` and ``diverged`` (trials), ``lead_steps``
        (median over those that warned; NaN if none did), ``shortest_lead_steps``, ``longest_lead_steps``,
        ``false_alarms`` and ``stable`` (trials), ``low`` and ``high`` (the usual range). A signal that fewer than 5
        stable trials measured has no usual range, and no row.
    """
    pairs = list(trials)
    stable = [telemetry for result, telemetry in pairs if result.outcome is Outcome.STABLE]
    diverged = [(result.divergence.step, telemetry) for result, telemetry in pairs if result.divergence is not None]
    rows = [_row(name, *measured) for name in signals if (measured := _measured(name, stable, diverged)) is not None]
    table = pd.DataFrame(rows, columns=WARNING_COLUMNS)
    if table.empty:
        return table
    warned = table[columns.WARNED] / table[columns.DIVERGED].clip(lower=1)
    reliability = warned - table[columns.FALSE_ALARMS] / table[columns.STABLE]
    ranking = pd.concat([reliability, table[columns.LEAD_STEPS].fillna(0)], axis=1, keys=["reliability", "lead"])
    return table.loc[ranking.sort_values(["reliability", "lead"], ascending=False).index].reset_index(drop=True)


_Diverged = list[tuple[int, Telemetry]]
"""The diverging step of a trial, and its telemetry."""


def _measured(name: str, stable: list[Telemetry], diverged: _Diverged) -> tuple[list[Telemetry], _Diverged] | None:
    """The trials that know a signal; None if so few stable ones do that nobody knows what is usual."""
    known = [telemetry for telemetry in stable if telemetry.has_numbers(name)]
    if len(known) < FEWEST_STABLE_TRIALS:
        return None
    return known, [(step, telemetry) for step, telemetry in diverged if name in telemetry.signals]


def _row(name: str, stable: list[Telemetry], diverged: _Diverged) -> dict[str, object]:
    extremes = np.array([(np.nanmin(t.signal(name)), np.nanmax(t.signal(name))) for t in stable])
    lows, highs = extremes.T
    usual = usual_range(lows, highs)
    leads = []
    for step, telemetry in diverged:
        before = telemetry.steps < step
        left = usual.first_exit(telemetry.steps[before], telemetry.signal(name)[before])
        if left is not None:
            leads.append(step - left)
    others = ~np.eye(len(stable), dtype=bool)  # row i: all stable trials but the i-th
    alarms = sum(
        usual_range(lows[mask], highs[mask]).first_exit(t.steps, t.signal(name)) is not None
        for mask, t in zip(others, stable, strict=True)
    )
    return {
        columns.SIGNAL: name,
        columns.WARNED: len(leads),
        columns.DIVERGED: len(diverged),
        columns.LEAD_STEPS: float(np.median(leads)) if leads else np.nan,
        columns.SHORTEST_LEAD_STEPS: min(leads) if leads else np.nan,
        columns.LONGEST_LEAD_STEPS: max(leads) if leads else np.nan,
        columns.FALSE_ALARMS: alarms,
        columns.STABLE: len(stable),
        columns.LOW: usual.low,
        columns.HIGH: usual.high,
    }
