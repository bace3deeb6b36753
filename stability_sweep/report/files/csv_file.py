"""Tables as CSV. NaN, infinity and "never measured" stay three different things."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stability_sweep.analysis import Analysis
from stability_sweep.report.cells import plain_columns
from stability_sweep.report.files.writing import write_output
from stability_sweep.results.numbers import NEVER_IN_CSV
from stability_sweep.text import escaped

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula."""

TABLE_DIGITS = 6
"""Of a number that is not whole, in a table of a report; an export has all that there are."""


def write_csv_files(folder: Path, analysis: Analysis) -> Iterator[Path]:
    """Write one CSV file per table into a folder; yields their paths.

    Raises:
        OutputError: if one cannot be written.
    """
    for name, table in analysis.tables().items():
        path = folder / f"{name}.csv"
        write_output(path, csv_of_table(table).encode("utf-8"))
        yield path


def csv_of_table(table: pd.DataFrame) -> str:
    """A table as CSV; numbers with six digits, "off" as inf."""
    return csv_text(plain_columns(table), digits=TABLE_DIGITS)


def csv_bytes(records: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    """Records as CSV in UTF-8, every number with all its digits."""
    return csv_text({name: [record.get(name) for record in records] for name in columns}).encode("utf-8")


def csv_text(columns: Mapping[str, Sequence[Any]], *, digits: int | None = None) -> str:
    """CSV: ``nan`` and ``inf`` for such numbers, an empty field for None.

    Texts have no control characters, and where a spreadsheet would run one as a formula, it begins with an apostrophe.

    Args:
        columns: values by name, all as many.
        digits: of a number that is not whole; None for all that it has.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_safe(name) for name in columns])
    writer.writerows(zip(*(_cells(values, digits) for values in columns.values()), strict=True))
    return text.getvalue()


def _cells(values: Sequence[Any], digits: int | None) -> Sequence[Any]:
    """A column's cells; what the writer itself writes as it should be (None is an empty field to it) is left to it."""
    kinds = set(map(type, values))
    if kinds <= ({int, bool, type(None)} if digits is not None else {int, bool, float, type(None)}):
        return values
    if kinds <= {str, type(None)}:  # texts are often the same: outcomes, devices
        safe = {text: None if text is None else _safe(text) for text in set(values)}
        return [safe[text] for text in values]
    return [_cell(value, digits) for value in values]


def _cell(value: Any, digits: int | None) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return _safe(value)
    if isinstance(value, float) and digits is not None:
        return f"{value:.{digits}g}"
    return NEVER_IN_CSV if value is None else value


def _safe(text: str) -> str:
    return f"'{escaped(text)}" if text.startswith(FORMULA_SIGNS) else escaped(text)
