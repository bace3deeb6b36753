"""What the page's script needs: the trials' table, what is known about single trials, and every table as CSV."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from stability_sweep.report.tables import csv_of_table, json_number, plain_columns
from stability_sweep.results.autopsy import Autopsy
from stability_sweep.results.causes import CauseBook
from stability_sweep.results.numbers import DIGITS, NEVER_ON_PAGE, shown
from stability_sweep.results.outcome import Outcome
from stability_sweep.results.telemetry import Telemetry
from stability_sweep.sources.frame import with_gaps
from stability_sweep.sources.protocol import OnDamaged, Source
from stability_sweep.space.off import OFF, is_off
from stability_sweep.text import printable

MOST_LISTED = 3000
"""Rows of the table of trials; of more, every so many-th is listed."""

MOST_DETAILED = 400
"""Trials whose telemetry is on the page."""

POINTS = 48
DETAIL_SIGNALS = ("loss", "gradient_norm", "update_norm", "largest_latent", "largest_momentum", "largest_eigenvalue")
NOT_LISTED = ("worker", "device", "threads", "torch_version", "cpu", "seed", "failure")
"""Columns of the frame that the page's table leaves out; they are in the CSV."""


def trial_details(
    source: Source, frame: pd.DataFrame, *, on_damaged: OnDamaged | None = None
) -> dict[int, dict[str, Any]]:
    """Telemetry and autopsy of at most 400 trials, by their number: diverged and other ones in turn.

    Args:
        source: the study.
        frame: its trials.
        on_damaged: told the number of a trial whose telemetry or autopsy cannot be read, which is then left out.

    Raises:
        TelemetryError: if there is one, and no `on_damaged`.
    """
    is_diverged = frame["outcome"] == Outcome.DIVERGED.value
    chosen = pd.concat([_every(part, MOST_DETAILED // 2) for part in (frame[is_diverged], frame[~is_diverged])])
    numbers = [int(number) for number in chosen["number"]]
    details: dict[int, dict[str, Any]] = {}
    for number, telemetry in source.telemetries_of(numbers, on_damaged=on_damaged):
        if len(telemetry.steps):
            details.setdefault(number, {}).update(_signals(telemetry))
    for number, autopsy in source.autopsies_of(numbers, on_damaged=on_damaged):
        details.setdefault(number, {})["autopsy"] = _autopsy(autopsy, source.facts.causes)
    return details


def payload(
    frame: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    details: dict[int, dict[str, Any]],
    dimensions: Collection[str],
) -> str:
    """JSON, compressed, in Base64: the page unpacks it with the browser's own DecompressionStream.

    Args:
        frame: the trials of the table.
        tables: what can be downloaded, by name.
        details: from `trial_details`.
        dimensions: the columns that are dimensions: infinity means "off" there, and nowhere else.
    """
    listed = with_gaps(listed_trials(frame))
    columns = [name for name in listed.columns if name not in NOT_LISTED]
    content = {
        "columns": columns,
        "trials": _rows(listed[columns], dimensions),
        "details": {str(number): detail for number, detail in details.items()},
        "csv": {name: csv_of_table(listed if name == "trials" else table) for name, table in tables.items()},
    }
    return packed(json.dumps(content, separators=(",", ":"), allow_nan=False).encode("utf-8"))


def listed_trials(frame: pd.DataFrame) -> pd.DataFrame:
    """The trials that the page lists: all, or evenly chosen ones."""
    return _every(frame, MOST_LISTED)


def packed(content: bytes) -> str:
    """Compressed, in letters that no script element minds."""
    return base64.b64encode(gzip.compress(content, compresslevel=6, mtime=0)).decode("ascii")


def _every(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """All rows, or so many, evenly spaced."""
    if len(frame) <= most:
        return frame
    return frame.iloc[np.linspace(0, len(frame) - 1, most).round().astype(int)]


def _signals(telemetry: Telemetry) -> dict[str, Any]:
    kept = np.unique(np.linspace(0, len(telemetry.steps) - 1, POINTS).round().astype(int))
    return {
        "steps": telemetry.steps[kept].tolist(),
        "signals": {
            name: [json_number(float(value), DIGITS) for value in telemetry.signal(name)[kept]]
            for name in DETAIL_SIGNALS
            if name in telemetry.signals
        },
    }


def _autopsy(autopsy: Autopsy, causes: CauseBook) -> dict[str, Any]:
    return {
        "sentence": printable(causes.sentence(autopsy)),
        "trail": [printable(probe.in_words()) for probe in autopsy.trail[-6:]],
    }


def _rows(table: pd.DataFrame, dimensions: Collection[str]) -> list[list[Any]]:
    """The trials' rows for the page's script; "off" where a dimension is infinite."""
    columns = [
        [OFF if name in dimensions and is_off(value) else json_number(value, DIGITS) for value in values]
        for name, values in plain_columns(table).items()
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def table_rows(table: pd.DataFrame, columns: Sequence[str], dimensions: Collection[str] = ()) -> list[list[str]]:
    """Cells as people read them."""
    plain = plain_columns(table[list(columns)])
    cells = [[cell_text(value, dimension=name in dimensions) for value in plain[name]] for name in columns]
    return [list(row) for row in zip(*cells, strict=True)]


def cell_text(value: Any, *, dimension: bool = False) -> str:
    """A value in a table of the page: four digits; a dash for what is not known, "off" for an infinite dimension."""
    if isinstance(value, np.generic):
        value = value.item()
    if dimension and is_off(value):
        return OFF
    if value is None or isinstance(value, float):
        return shown(value, never=NEVER_ON_PAGE)
    return printable(str(value).replace("_", " "))
