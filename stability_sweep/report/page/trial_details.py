"""What the page keeps of single trials: a few points of their telemetry, and their autopsies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from stability_sweep.report.cells import LONG_NUMBER
from stability_sweep.report.page.payload import AutopsyDetail, JsonNumber, TrialDetail, every
from stability_sweep.results import columns
from stability_sweep.results.autopsy import Autopsy
from stability_sweep.results.causes import CauseBook
from stability_sweep.results.numbers import json_value
from stability_sweep.results.outcome import Outcome
from stability_sweep.results.telemetry import Telemetry
from stability_sweep.sources.protocol import OnDamaged, Source
from stability_sweep.text import printable
from stability_sweep.typing import Array

MOST_DETAILED = 400
"""Trials whose telemetry is on the page."""

POINTS = 48
"""Of a series of telemetry that says much about how a run broke."""

FEWER_POINTS = 16
"""Of every other one."""

SIGNAL_DIGITS = 3
"""Of a value in a series: nobody reads more off a line of this size, and the page stays small."""

TRAIL_SHOWN = 6
"""Tensors of an autopsy's trail: those just before the one that broke."""


def trial_details(
    source: Source, frame: pd.DataFrame, *, on_damaged: OnDamaged | None = None
) -> dict[int, TrialDetail]:
    """Telemetry and autopsy of at most 400 trials, by their number: diverged and other ones in turn.

    Args:
        source: the study.
        frame: its trials.
        on_damaged: told the number of a trial whose telemetry or autopsy cannot be read, which is then left out.

    Raises:
        TelemetryError: if there is one, and no `on_damaged`.
    """
    is_diverged = frame[columns.OUTCOME] == Outcome.DIVERGED.value
    chosen = pd.concat([every(part, MOST_DETAILED // 2) for part in (frame[is_diverged], frame[~is_diverged])])
    numbers = [int(number) for number in chosen[columns.NUMBER]]
    details: dict[int, TrialDetail] = {}
    for number, telemetry in source.telemetries_of(numbers, on_damaged=on_damaged):
        if len(telemetry.steps):
            signals = _signals(telemetry, source.facts.shown_signals)
            details[number] = TrialDetail(signals, len(telemetry.steps), int(telemetry.steps[-1]))
    for number, autopsy in source.autopsies_of(numbers, on_damaged=on_damaged):
        found = details.get(number, TrialDetail())
        details[number] = replace(found, autopsy=_autopsy(autopsy, source.facts.causes))
    return details


def _signals(telemetry: Telemetry, shown: Sequence[str]) -> dict[str, list[JsonNumber]]:
    """All signals; those that are shown where there is no room for all come first, and keep more points."""
    first = [name for name in shown if name in telemetry.signals]
    points = dict.fromkeys(first, POINTS) | {name: FEWER_POINTS for name in telemetry.signals if name not in first}
    return {name: _thinned(telemetry.signal(name), count) for name, count in points.items()}


def _thinned(values: Array, points: int) -> list[JsonNumber]:
    kept = np.unique(np.linspace(0, len(values) - 1, points).round().astype(int))
    return [_short(value) for value in values[kept].tolist()]


def _short(value: float) -> JsonNumber:
    """A value with a few digits, and no more letters than it needs."""
    rounded = float(f"{value:.{SIGNAL_DIGITS}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < LONG_NUMBER else json_value(rounded)


def _autopsy(autopsy: Autopsy, causes: CauseBook) -> AutopsyDetail:
    trail = [printable(probe.in_words()) for probe in autopsy.trail[-TRAIL_SHOWN:]]
    return AutopsyDetail(printable(causes.sentence(autopsy)), trail)
