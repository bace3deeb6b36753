"""Errors of drivers, SQLAlchemy and Optuna's storage in words, and which of them may pass."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import optuna
from sqlalchemy import URL
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError, TimeoutError

from stability_sweep.errors import OutageError, StorageError
from stability_sweep.storage.urls import EXTRAS, display, mask

MYSQL_OUTAGES = frozenset(
    {1021, 1040, 1041, 1053, 1077, 1079, 1080, 1129, 1152, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 1226, 1290, 1317,
     1927, 1969, 2002, 2003, 2006, 2012, 2013, 2055, 3024, 4031}
)  # fmt: skip  # else one number a line
"""Disk full, too many connections, shutdown, network, lock waits and deadlocks, read only, killed, too slow."""

POSTGRESQL_OUTAGES = ("08", "25006", "25P03", "40", "53", "55P03", "57", "58")
"""Beginnings of SQLSTATEs: connection, read only, idle too long, rollback, resources, lock, operator, system."""

SQLITE_OUTAGES = ("is locked", "is busy", "disk i/o error", "is full", "unable to open database file")
"""SQLite tells by its words alone before Python 3.11."""


@contextlib.contextmanager
def storage_errors(url: URL) -> Iterator[None]:
    """Turn the errors of drivers, SQLAlchemy and Optuna's storage into a `StorageError` of one line."""
    try:
        yield
    except ModuleNotFoundError as error:
        driver = str(error.name)
        if driver not in EXTRAS and "." in driver:
            raise  # no driver: a module of ours or a user's is missing
        hint = f"; install it with: pip install 'stability-sweep[{EXTRAS[driver]}]'" if driver in EXTRAS else ""
        raise StorageError(f"{display(url)}: the driver {driver!r} is not installed{hint}") from error
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        kind = OutageError if is_outage(error) else StorageError
        raise kind(f"{display(url)}: {_reason(error)}") from error


def is_outage(error: BaseException) -> bool:
    """Whether the same call may succeed later: the server is away or busy, the disk is full, a file is locked.

    A statement that the database does not accept is an `OperationalError` of most drivers too, and is none.
    """
    error = _root(error)
    if isinstance(error, TimeoutError):  # no connection of the pool became free
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    if not isinstance(error, (OperationalError, InterfaceError)):
        return False
    return _may_pass(error.orig)


def _may_pass(original: BaseException | None) -> bool:
    module = type(original).__module__.partition(".")[0]
    if module == "sqlite3":
        return any(words in str(original).lower() for words in SQLITE_OUTAGES)
    state = getattr(original, "sqlstate", None)
    if module.startswith("psycopg") and state is not None:
        return str(state).startswith(POSTGRESQL_OUTAGES)
    # MySQL's drivers give a number; its SQLSTATE says "general error" for most of these.
    number = original.args[0] if original is not None and original.args else None
    # Without any code it is the network's: the server was not reached, or said nothing.
    return number in MYSQL_OUTAGES if isinstance(number, int) and number else True


def _root(error: BaseException) -> BaseException:
    while isinstance(error, optuna.exceptions.StorageInternalError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _reason(error: BaseException) -> str:
    """The driver's own words, in one line, where there are any."""
    error = _root(error)
    original = error.orig if isinstance(error, DatabaseError) else None
    words = [str(argument) for argument in getattr(original, "args", ()) if isinstance(argument, str)]
    return mask(" ".join((words[-1] if words else str(error)).split()))
