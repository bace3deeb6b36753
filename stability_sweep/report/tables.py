"""Tables as files for other programs. NaN, infinity and "never measured" stay three different things."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from stability_sweep.results.numbers import NEVER_IN_CSV, json_value
from stability_sweep.results.outcome import LOSS_FIELDS
from stability_sweep.text import escaped

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula."""

LONG_NUMBER = 1e6
"""A number below it is written out, if a few digits after the point are all that it has."""


def plain_columns(table: pd.DataFrame) -> dict[str, list[Any]]:
    """The columns of a table as Python values; None is what was never measured, or is not known.

    In a table of the analysis NaN says "not known". Only the losses of the trials' table (from `with_gaps`) tell the
    two apart, and keep their NaN.
    """
    return {str(name): _plain(table[name], keeps_nan=name in LOSS_FIELDS) for name in table.columns}


def _plain(column: pd.Series[Any], *, keeps_nan: bool) -> list[Any]:
    values = column.tolist()
    if keeps_nan and column.dtype == object:
        return [None if value is pd.NA else value for value in values]
    gaps = column.isna().to_numpy(dtype=bool)
    return [None if gap else value for gap, value in zip(gaps, values, strict=True)] if gaps.any() else values


def json_rows(table: pd.DataFrame, *, digits: int | None = None) -> list[dict[str, Any]]:
    """A table as JSON objects, one per row.

    Args:
        table: of the analysis, or the trials.
        digits: of a number that is not whole; None for all that it has.
    """
    plain = plain_columns(table)
    rows = zip(*plain.values(), strict=True)
    return [{name: json_number(value, digits) for name, value in zip(plain, row, strict=True)} for row in rows]


def json_number(value: Any, digits: int | None = None) -> Any:
    """A JSON value: a number with so many digits, one that is not finite as a text; None is null."""
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, float) or digits is None:
        return json_value(value)
    if abs(value) < LONG_NUMBER and value == round(value, digits):
        return value
    return json_value(float(f"{value:.{digits}g}"))


def csv_of_table(table: pd.DataFrame) -> str:
    """A table as CSV; numbers with six digits, "off" as inf."""
    return csv_text(plain_columns(table), digits=6)


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


def parquet_bytes(records: Sequence[dict[str, Any]], columns: Sequence[str]) -> bytes:
    """Parquet: null for what was never measured. Texts are as they were stored."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {name: _array(pa, [record[name] for record in records]) for name in columns}
    buffer = io.BytesIO()
    pq.write_table(pa.table(arrays), buffer)
    return buffer.getvalue()


def _array(pa: Any, values: list[Any]) -> Any:
    """One column; a dimension may mix numbers with texts, which then all become texts."""
    try:
        return pa.array(values, from_pandas=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in values])
