"""Records as Parquet."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any


def parquet_bytes(records: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
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
