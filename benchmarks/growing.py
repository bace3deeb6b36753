"""A CSV file that grows row by row, so that a long benchmark may be stopped and started again."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path


def rows_in(path: Path | None) -> list[dict[str, str]]:
    """What a file has already; nothing of one that is not there yet."""
    if path is None or not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def add_row(path: Path | None, fields: Sequence[str], row: Mapping[str, object]) -> None:
    """Write one more, after the heading if it is the first; without a file nothing is written."""
    if path is None:
        return
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fields)
        if is_new:
            writer.writeheader()
        writer.writerow(row)
