"""Steps of migrations that may be taken twice.

MySQL keeps every change of a table at once, so a kill may come between any two of them. PostgreSQL and SQLite take a
whole migration in one transaction. What is there already is left alone everywhere.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op


def create_table(name: str, *columns: sa.Column[Any]) -> None:
    """Create a table and the indexes of its columns."""
    if not sa.inspect(op.get_bind()).has_table(name):
        op.create_table(name, *columns)
    there = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(name)}
    for column in columns:
        index = f"ix_{name}_{column.name}"
        if column.index and index not in there:
            op.create_index(index, name, [str(column.name)])


def add_column(table: str, column: sa.Column[Any]) -> None:
    """Add a column."""
    if column.name not in _columns(table):
        op.add_column(table, column)


def drop_column(table: str, name: str) -> None:
    """Drop a column."""
    if name in _columns(table):
        op.drop_column(table, name)


def _columns(table: str) -> set[str]:
    return {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}
