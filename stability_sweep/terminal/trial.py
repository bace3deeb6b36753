"""One trial in words: what `show` prints, and the same as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stability_sweep.engine.signals import with_extra
from stability_sweep.results import columns
from stability_sweep.results.autopsy import Autopsy
from stability_sweep.results.causes import CauseBook
from stability_sweep.results.numbers import NEVER_ON_TERMINAL, json_value, shown
from stability_sweep.results.outcome import LOSS_FIELDS, TrialResult
from stability_sweep.results.telemetry import Telemetry
from stability_sweep.space.axes import format_value
from stability_sweep.space.dimensions import Point
from stability_sweep.storage import Provenance, StoredTrial
from stability_sweep.targets.protocol import Target
from stability_sweep.text import printable

SPARKLINE_WIDTH = 40
BARS = "▁▂▃▄▅▆▇█"
NOT_FINITE = "×"
LOG_DECADES = 2.0
"""A signal above zero that spans more than so many decades is drawn on a logarithmic scale."""

LAST_STEPS_SHOWN = 8
TRAIL_SHOWN = 8
LONGEST_CELL = 80


def trial_lines(
    trial: StoredTrial, telemetry: Telemetry | None, autopsy: Autopsy | None, target: Target
) -> Iterator[str]:
    """Everything about a trial, line by line.

    Args:
        trial: as the database knows it.
        telemetry: what it has kept of its steps.
        autopsy: of a diverged one.
        target: what was trained; it has the words for what the autopsy found.
    """
    if trial.stored is None:
        yield f"outcome     none yet: the trial is {trial.state}"
        yield f"point       {describe_point(trial.point)}"
    else:
        result, provenance = trial.stored.result, trial.stored.provenance
        yield f"outcome     {describe_result(result)}"
        yield f"point       {describe_point(trial.point)}"
        yield f"seed        {result.seed}, {result.steps} of {result.horizon} steps in {result.wall_seconds:.1f} s"
        yield f"losses      {_losses(result)}"
        yield f"spikes      {_spikes(result)}"
        yield f"ran on      {_place(provenance)}"
    if autopsy is not None:
        yield ""
        yield from _autopsy_lines(autopsy, target.causes)
    if telemetry is not None and len(telemetry.steps):
        yield ""
        yield from _signal_lines(telemetry)
        yield ""
        yield from _last_step_lines(telemetry, target.shown_signals)
    elif trial.stored is not None:
        yield ""
        yield "no telemetry is stored for this trial"


def describe_point(point: Point) -> str:
    """``learning_rate 0.0013  batch_size 64  clip_norm off``."""
    return "  ".join(f"{name} {format_value(value)}" for name, value in point.items()) or "not chosen yet"


def describe_result(result: TrialResult) -> str:
    """``diverged at step 3 (nan loss)``, or the outcome with the final loss."""
    if result.divergence is not None:
        return f"{result.outcome.value} at step {result.steps} ({result.divergence.symptom.value.replace('_', ' ')})"
    if result.failure is not None:
        return f"{result.outcome.value}: {result.failure}"
    return f"{result.outcome.value}, final loss {shown(result.final_loss)}"


def sparkline(values: NDArray[np.float64], width: int = SPARKLINE_WIDTH) -> str:
    """A row of bars, one per group of neighbouring values (its last one); what is not finite is ``×``."""
    if not len(values):
        return ""
    width = min(width, len(values))
    picked = values[np.linspace(0, len(values) - 1, width).round().astype(int)]
    finite = picked[np.isfinite(picked)]
    if len(finite) and finite.min() > 0 and finite.max() > finite.min() * 10**LOG_DECADES:
        with np.errstate(invalid="ignore"):
            picked = np.log(picked)
        finite = picked[np.isfinite(picked)]
    low, span = (float(finite.min()), float(np.ptp(finite))) if len(finite) else (0.0, 0.0)
    return "".join(
        _bar((value - low) / span if span else 0.0) if math.isfinite(value) else NOT_FINITE for value in picked
    )


def _bar(height: float) -> str:
    """The bar of a height between 0 and 1."""
    return BARS[round(height * (len(BARS) - 1))]


def _losses(result: TrialResult) -> str:
    parts = [
        (name.removesuffix("_loss").replace("_", " "), getattr(result, name))
        for name in LOSS_FIELDS
        if name != columns.SPIKE_HEIGHT
    ]
    return "  ".join(f"{name} {shown(value)}" for name, value in parts if value is not None) or "none"


def _spikes(result: TrialResult) -> str:
    if result.spikes is None:
        return "not counted"
    if not result.spikes:
        return "none that came back"
    return f"{result.spikes} that came back, the highest rose by {shown(result.spike_height)}"


def _place(provenance: Provenance) -> str:
    return (
        f"{provenance.worker}, {provenance.device}, {provenance.threads} thread(s), torch {provenance.torch_version}, "
        f"{provenance.cpu or 'processor not noted'}"
    )


def _autopsy_lines(autopsy: Autopsy, causes: CauseBook) -> Iterator[str]:
    yield f"origin      {autopsy.origin or 'not found'} ({autopsy.cause.replace('_', ' ')})"
    yield f"            {causes.sentence(autopsy)}"
    if autopsy.trail:
        shown = autopsy.trail[-TRAIL_SHOWN:]
        yield f"what was computed up to there (the last {len(shown)} of {len(autopsy.trail)}):"
        yield from (f"  {probe.in_words()}" for probe in shown)


def _signal_lines(telemetry: Telemetry) -> Iterator[str]:
    yield f"signals at {len(telemetry.steps)} steps, from step {telemetry.steps[0]} to {telemetry.steps[-1]}:"
    for name in telemetry.signals:
        values = telemetry.signal(name)
        bars = sparkline(values)
        yield f"  {name:<20} {values[0]:>10.4g} {bars:<{SPARKLINE_WIDTH}} {values[-1]:>10.4g}"


def _last_step_lines(telemetry: Telemetry, shown: Sequence[str]) -> Iterator[str]:
    names = [name for name in shown if name in telemetry.signals]
    yield "the last steps:"
    yield "  " + f"{'step':>6}" + "".join(f"{name:>20}" for name in names)
    values = [telemetry.signal(name) for name in names]
    for row in range(max(0, len(telemetry.steps) - LAST_STEPS_SHOWN), len(telemetry.steps)):
        yield "  " + f"{telemetry.steps[row]:>6}" + "".join(f"{column[row]:>20.6g}" for column in values)


def trial_json(
    trial: StoredTrial, telemetry: Telemetry | None, autopsy: Autopsy | None, target: Target
) -> dict[str, Any]:
    """The same for programs. JSON has no NaN and no infinity: see `results.numbers`.

    Args:
        trial: as the database knows it.
        telemetry: what it has kept of its steps.
        autopsy: of a diverged one.
        target: what was trained.
    """
    meanings = with_extra(target.signals)
    return {
        "trial": trial.number,
        "state": trial.state,
        "point": {name: json_value(value) for name, value in trial.point.items()},
        "result": None if trial.stored is None else result_json(trial.stored.result),
        "provenance": None if trial.stored is None else vars(trial.stored.provenance),
        "autopsy": None if autopsy is None else _autopsy_json(autopsy, target.causes),
        "telemetry": None
        if telemetry is None
        else {
            "steps": telemetry.steps.tolist(),
            "signals": {name: [json_value(v) for v in telemetry.signal(name).tolist()] for name in telemetry.signals},
            "meaning": {name: meanings[name] for name in telemetry.signals if name in meanings},
        },
    }


def result_json(result: TrialResult) -> dict[str, Any]:
    """A result as plain values."""
    fields = {name: json_value(value) for name, value in vars(result).items() if name not in ("divergence", "outcome")}
    divergence = result.divergence
    return {
        "outcome": result.outcome.value,
        **fields,
        "divergence": divergence
        and {
            "step": divergence.step,
            "signal": divergence.symptom.value,
            "origin": divergence.origin,
            "cause": divergence.cause,
        },
    }


def _autopsy_json(autopsy: Autopsy, causes: CauseBook) -> dict[str, Any]:
    return {
        "step": autopsy.step,
        "cause": autopsy.cause,
        "origin": autopsy.origin,
        "sentence": causes.sentence(autopsy),
        "trail": [vars(probe) for probe in autopsy.trail],
    }


def table_lines(rows: Sequence[Mapping[str, Any]], headings: Mapping[str, str]) -> Iterator[str]:
    """Rows under headings, right-aligned but for the first column.

    Lines are as long as they must be, whatever the width of the terminal: scripts read them from narrow pipes. That is
    why they are not Rich's, which wraps and cuts cells.

    Args:
        rows: values by key.
        headings: by the key of the column, in order.
    """
    cells = [[_cell(row[key]) for key in headings] for row in rows]
    widths = [max(map(len, (heading, *(row[i] for row in cells)))) for i, heading in enumerate(headings.values())]
    for line in (list(headings.values()), *cells):
        first, *rest = (
            text.ljust(width) if i == 0 else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        yield "  ".join([first, *rest]).rstrip()


def _cell(value: Any) -> str:
    """A cell of the analysis, where NaN means "not known"."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NEVER_ON_TERMINAL
    return shown(value) if isinstance(value, float) else printable(value, LONGEST_CELL)
