"""What the page's script needs: the trials' table, what is known about single trials, and every table as CSV."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from stability_sweep.analysis import table_names
from stability_sweep.report.cells import json_number, plain_columns
from stability_sweep.report.files.csv_file import csv_of_table, csv_text
from stability_sweep.report.page.choices import ChoiceDetail, Choices
from stability_sweep.results import columns
from stability_sweep.sources.frame import with_gaps
from stability_sweep.space.off import OFF, is_off

MOST_LISTED = 3000
"""Rows of the table of trials; of more, every so many-th is listed."""

NOT_LISTED = (
    columns.WORKER,
    columns.DEVICE,
    columns.THREADS,
    columns.TORCH_VERSION,
    columns.CPU,
    columns.SEED,
    columns.FAILURE,
)
"""Columns of the frame that the page's table leaves out; they are in the CSV."""

LISTED_FIRST = (columns.NUMBER, columns.STUDY, columns.OUTCOME)
"""The table's first columns; the dimensions follow."""

LISTED_NEXT = ("yardstick", columns.VALIDATION_LOSS)
"""Those after the dimensions: how good a trial was on held-out data, as far as the frame knows."""

JsonNumber = float | int | str | None
"""A number as `results.numbers` spells it in JSON."""


@dataclass(frozen=True)
class AutopsyDetail:
    """What the page tells of an autopsy."""

    sentence: str
    trail: list[str]
    """The last tensors before the one that broke, in words."""


@dataclass(frozen=True)
class TrialDetail:
    """What the page tells of one trial beyond its row; what is None is not sent."""

    signals: dict[str, list[JsonNumber]] | None = None
    """Every series of its telemetry, thinned out evenly, by name; those that say most come first."""
    measured: int | None = None
    """Steps of which telemetry is stored."""
    last_step: int | None = None
    """The last of these; the first is 1."""
    autopsy: AutopsyDetail | None = None
    damaged: str | None = None
    """Why telemetry or autopsy cannot be read."""


@dataclass(frozen=True)
class Payload:
    """What the script reads, under these names."""

    columns: list[str]
    """Of the table of trials."""
    trials: list[list[Any]]
    """Its rows."""
    details: dict[int, TrialDetail]
    """By the number of the trial."""
    csv: dict[str, str]
    """What can be downloaded, by the name of the table."""
    choices: Choices = field(default_factory=dict)
    """What exhibits are for what the reader may choose; those that are not here stay as they are."""

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        tables: Mapping[str, pd.DataFrame],
        details: Mapping[int, TrialDetail],
        dimensions: Collection[str],
        *,
        choices: Choices | None = None,
    ) -> Payload:
        """The payload of a page.

        Args:
            frame: the trials of the table.
            tables: what can be downloaded, by name; of the trials' table, the trials that the page lists.
            details: from `trial_details`.
            dimensions: the columns that are dimensions: infinity means "off" there, and nowhere else.
            choices: from `choices_of`.
        """
        listed = with_gaps(listed_trials(frame))
        shown = _in_order([name for name in listed.columns if name not in NOT_LISTED], dimensions)
        csv = {name: csv_of_table(table) for name, table in tables.items() if name != table_names.TRIALS}
        csv[table_names.TRIALS] = csv_text(plain_columns(listed))
        return cls(shown, _rows(listed[shown], dimensions), dict(details), csv, choices or {})

    def packed(self) -> str:
        """JSON, compressed, in Base64: the page unpacks it with the browser's own DecompressionStream."""
        content = {
            **vars(self),
            "details": {str(number): _as_json(detail) for number, detail in self.details.items()},
            "choices": {
                key: [[_as_json(choice) for choice in row] for row in rows] for key, rows in self.choices.items()
            },
        }
        return packed(json.dumps(content, separators=(",", ":"), allow_nan=False).encode("utf-8"))


def listed_trials(frame: pd.DataFrame) -> pd.DataFrame:
    """The trials that the page lists: all, or evenly chosen ones."""
    return every(frame, MOST_LISTED)


def every(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """All rows, or so many, evenly spaced."""
    if len(frame) <= most:
        return frame
    return frame.iloc[np.linspace(0, len(frame) - 1, most).round().astype(int)]


def packed(content: bytes) -> str:
    """Compressed, in letters that no script element minds."""
    return base64.b64encode(gzip.compress(content, compresslevel=6, mtime=0)).decode("ascii")


def _as_json(detail: TrialDetail | ChoiceDetail) -> dict[str, Any]:
    return {name: value for name, value in asdict(detail).items() if value is not None}


def _in_order(names: Collection[str], dimensions: Collection[str]) -> list[str]:
    """What a reader looks for first, from the left: which trial, how it ended, at which point, how good it was."""
    wanted = [*LISTED_FIRST, *(name for name in names if name in dimensions), *LISTED_NEXT, *names]
    return [name for name in dict.fromkeys(wanted) if name in names]


def _rows(table: pd.DataFrame, dimensions: Collection[str]) -> list[list[Any]]:
    """The trials' rows, with all digits; "off" where a dimension is infinite."""
    cells = [
        [OFF if name in dimensions and is_off(value) else json_number(value) for value in values]
        for name, values in plain_columns(table).items()
    ]
    return [list(row) for row in zip(*cells, strict=True)]
