"""Trials as files for other programs. NaN, infinity and "never measured" stay three different things."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any


def csv_bytes(records: Sequence[dict[str, Any]], columns: Sequence[str]) -> bytes:
    """CSV in UTF-8: ``nan`` and ``inf`` for such numbers, an empty field for what was never measured."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode("utf-8")


def parquet_bytes(records: Sequence[dict[str, Any]], columns: Sequence[str]) -> bytes:
    """Parquet: null for what was never measured."""
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
