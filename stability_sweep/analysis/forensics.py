"""Where divergence began, and which signals warned of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from stability_sweep.results.outcome import Outcome, TrialResult
from stability_sweep.results.telemetry import Telemetry
from stability_sweep.space.axes import Axis

USUAL_TRIALS = 0.05
"""The usual range leaves out the extremes of this share of the stable trials on either side."""

MOST_TRIALS_PER_OUTCOME = 300
"""Stable and diverged trials whose telemetry is worth loading for the warning signs; an even choice of more."""

FEWEST_STABLE_TRIALS = 5
"""With fewer stable trials nobody knows what is usual."""


def divergence_origins(frame: pd.DataFrame) -> pd.DataFrame:
    """How often divergence began in which tensor, most frequent first.

    Args:
        frame: a study's trials, from `study_frame`.

    Returns:
        Columns ``cause``, ``origin`` (None where the autopsy found none), ``trials``, ``share`` (of the diverged
        trials), ``median_step``, ``lowest_learning_rate``, ``highest_learning_rate``.
    """
    diverged = frame[frame["outcome"] == Outcome.DIVERGED.value]
    groups = diverged.groupby(["divergence_cause", "divergence_origin"], dropna=False)
    rows = [
        {
            "cause": cause,
            "origin": origin,
            "trials": len(group),
            "share": len(group) / len(diverged),
            "median_step": float(group["divergence_step"].median()),
            "lowest_learning_rate": float(group["learning_rate"].min()),
            "highest_learning_rate": float(group["learning_rate"].max()),
        }
        for (cause, origin), group in groups
    ]
    columns = [
        "cause", "origin", "trials", "share", "median_step", "lowest_learning_rate", "highest_learning_rate",
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(["trials", "median_step"], ascending=[False, True]).reset_index(drop=True)


def origins_by_band(frame: pd.DataFrame, axis: Axis) -> pd.DataFrame:
    """Where divergence began, by region: for every band of a dimension and cause how many trials.

    Returns:
        Columns ``band`` (index), ``label``, ``cause``, ``trials``, ``share`` (of the band's diverged trials),
        ``median_step``. Bands in which nothing diverged are left out.
    """
    diverged = frame[frame["outcome"] == Outcome.DIVERGED.value]
    bands = pd.Series(axis.bands(diverged[axis.name].tolist()), index=diverged.index)
    rows = []
    for band, inside in diverged.groupby(bands):
        for cause, group in inside.groupby("divergence_cause", dropna=False):
            rows.append([band, axis.labels[int(band)], cause, len(group), len(group) / len(inside),
                         float(group["divergence_step"].median())])  # fmt: skip
    return pd.DataFrame(rows, columns=["band", "label", "cause", "trials", "share", "median_step"])


@dataclass(frozen=True)
class UsualRange:
    """Where a signal stays in stable trials."""

    low: float
    high: float

    def first_exit(self, steps: npt.NDArray[np.int64], values: npt.NDArray[np.float64]) -> int | None:
        """The first step at which the signal is outside, or not a number."""
        outside = ~((values >= self.low) & (values <= self.high))
        return int(steps[outside][0]) if outside.any() else None


def usual_range(lows: npt.NDArray[np.float64], highs: npt.NDArray[np.float64]) -> UsualRange:
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
    columns = [
        "signal", "warned", "diverged", "lead_steps", "shortest_lead_steps", "longest_lead_steps", "false_alarms",
        "stable", "low", "high",
    ]  # fmt: skip
    rows = [_row(name, *measured) for name in signals if (measured := _measured(name, stable, diverged)) is not None]
    table = pd.DataFrame(rows, columns=columns)
    if table.empty:
        return table
    reliability = table["warned"] / table["diverged"].clip(lower=1) - table["false_alarms"] / table["stable"]
    order = reliability.to_frame("reliability").assign(lead=table["lead_steps"].fillna(0))
    return table.loc[order.sort_values(["reliability", "lead"], ascending=False).index].reset_index(drop=True)


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
    others = ~np.eye(len(stable), dtype=bool)
    alarms = sum(
        usual_range(lows[mask], highs[mask]).first_exit(t.steps, t.signal(name)) is not None
        for mask, t in zip(others, stable, strict=True)
    )
    return {
        "signal": name,
        "warned": len(leads),
        "diverged": len(diverged),
        "lead_steps": float(np.median(leads)) if leads else np.nan,
        "shortest_lead_steps": min(leads) if leads else np.nan,
        "longest_lead_steps": max(leads) if leads else np.nan,
        "false_alarms": alarms,
        "stable": len(stable),
        "low": usual.low,
        "high": usual.high,
    }
