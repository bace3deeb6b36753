"""The database's own clock: workers whose clocks disagree still agree on who was seen when."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Double
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class database_seconds(FunctionElement[float]):  # noqa: N801  # it is used like an SQL function
    """Seconds since 1970 on the database server's clock, a double."""

    type = Double()
    name = "database_seconds"
    inherit_cache = True


@compiles(database_seconds, "sqlite")
def _sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(database_seconds, "postgresql")
def _postgresql(element: Any, compiler: Any, **options: Any) -> str:
    return "extract(epoch from clock_timestamp())"


@compiles(database_seconds, "mysql")
@compiles(database_seconds, "mariadb")
def _mysql(element: Any, compiler: Any, **options: Any) -> str:
    return "unix_timestamp(now(6))"
