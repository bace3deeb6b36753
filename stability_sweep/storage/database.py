"""Opening a study database: drivers, checks, first creation, and errors in words."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import optuna
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError, TimeoutError
from sqlalchemy.orm import Session

from stability_sweep.errors import OutageError, StorageError
from stability_sweep.storage import migrations
from stability_sweep.storage.urls import EXTRAS, mask, parse_url, sqlite_path

SQLITE_BUSY_TIMEOUT_SECONDS = 30
CONNECT_TIMEOUT_SECONDS = 10
POOL_RECYCLE_SECONDS = 1800
LOCK_TIMEOUT_SECONDS = 60

CREATION = "creation"
"""Name of the lock under which tables and studies are made."""


class Database:
    """An open study database whose tables are of this program's version.

    Optuna's storage and our repository share one engine, so there is one connection pool and one set of settings.
    """

    def __init__(self, url: URL, optuna_storage: optuna.storages.RDBStorage) -> None:
        self.url = url
        self.optuna_storage = optuna_storage
        self.engine: Engine = optuna_storage.engine

    def __str__(self) -> str:
        return display(self.url)

    @classmethod
    def open(cls, url_text: str, *, create: bool = False) -> Database:
        """Open the database at a storage URL.

        Args:
            url_text: any SQLAlchemy URL of SQLite, PostgreSQL, MySQL or MariaDB.
            create: make the file and the tables if they do not exist. Otherwise nothing is ever written.

        Raises:
            StorageError: in words and without the password: the URL is malformed, the driver is not installed, the
                server cannot be reached, there is no database, or it has another schema version.
        """
        url = parse_url(url_text)
        with storage_errors(url):
            with _connected(url, create=create) as engine:
                if create:
                    _create_tables(url, engine)
                _check_version(url, engine)
            storage = _optuna_storage(url, create=False)
        if url.get_backend_name() == "sqlite":
            _tune_sqlite(storage.engine)
        return cls(url, storage)

    @staticmethod
    def upgrade(url_text: str) -> tuple[str, str]:
        """Bring the tables of a database that an older version wrote to this one's; return both schema versions.

        Raises:
            StorageError: as for `open`; a newer version's database is left alone.
        """
        url = parse_url(url_text)
        with storage_errors(url), _connected(url, create=False) as engine:
            with _lock(url, engine, CREATION), engine.begin() as connection:
                before = _stored_version(url, connection)
                if migrations.is_older(before):
                    migrations.upgrade(connection)
            _check_version(url, engine)
        return before, migrations.head_version()

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """A session in one transaction; its errors are told as `StorageError`."""
        with storage_errors(self.url), Session(self.engine) as session, session.begin():
            yield session

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Held by one process at a time, over all machines that share the database, and given up with its death."""
        with _lock(self.url, self.engine, name):
            yield

    def close(self) -> None:
        """Close all connections."""
        self.optuna_storage.remove_session()
        self.engine.dispose()


def display(url: URL) -> str:
    """The URL as messages may show it."""
    return mask(url.render_as_string(hide_password=True))


@contextlib.contextmanager
def storage_errors(url: URL) -> Iterator[None]:
    """Turn the errors of drivers, SQLAlchemy and Optuna's storage into a `StorageError` of one line."""
    try:
        yield
    except ModuleNotFoundError as error:
        driver = str(error.name)
        hint = f"; install it with: pip install 'stability-sweep[{EXTRAS[driver]}]'" if driver in EXTRAS else ""
        raise StorageError(f"{display(url)}: the driver {driver!r} is not installed{hint}") from error
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        kind = OutageError if _is_outage(error) else StorageError
        raise kind(f"{display(url)}: {_reason(error)}") from error


def _is_outage(error: BaseException) -> bool:
    """Whether the same call may succeed later: the server is away or busy, the disk is full, a file is locked."""
    while isinstance(error, optuna.exceptions.StorageInternalError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, (OperationalError, InterfaceError, TimeoutError))


def _reason(error: BaseException) -> str:
    """The driver's own words, in one line, where there are any."""
    while isinstance(error, optuna.exceptions.StorageInternalError) and error.__cause__ is not None:
        error = error.__cause__
    original = error.orig if isinstance(error, DatabaseError) else None
    words = [str(argument) for argument in getattr(original, "args", ()) if isinstance(argument, str)]
    return mask(" ".join((words[-1] if words else str(error)).split()))


def _check_sqlite_file(url: URL, *, create: bool) -> None:
    path = sqlite_path(url)
    if path is None:
        return
    if not create and not path.exists():
        raise StorageError(f"{display(url)}: there is no such file; start a study with `stability-sweep run FILE`")
    if not path.absolute().parent.is_dir():
        raise StorageError(f"{display(url)}: the folder {path.parent} does not exist; create it first")


@contextlib.contextmanager
def _connected(url: URL, *, create: bool) -> Iterator[Engine]:
    """An engine that has reached the database; what a driver dislikes about a URL it says with errors of any kind."""
    _check_sqlite_file(url, create=create)
    engine = create_engine(url, **_engine_options(url))
    try:
        engine.connect().close()
    except (AssertionError, TypeError, ValueError) as error:
        raise StorageError(f"{display(url)}: the driver does not accept this URL: {mask(str(error))}") from error
    try:
        yield engine
    finally:
        engine.dispose()


def _optuna_storage(url: URL, *, create: bool) -> optuna.storages.RDBStorage:
    try:
        return optuna.storages.RDBStorage(
            url.render_as_string(hide_password=False),
            engine_kwargs=_engine_options(url),
            skip_table_creation=not create,
        )
    except RuntimeError as error:  # Optuna's own tables are of a version that it does not know
        raise StorageError(f"{display(url)}: {mask(' '.join(str(error).split()))}") from error


def _engine_options(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}}
    # Pre-ping: a connection that died in the pool is replaced. Recycling: firewalls forget idle ones after an hour.
    options: dict[str, Any] = {"pool_pre_ping": True, "pool_recycle": POOL_RECYCLE_SECONDS, "pool_size": 3}
    if "connect_timeout" not in url.query:
        options["connect_args"] = {"connect_timeout": CONNECT_TIMEOUT_SECONDS}
    return options


def _tune_sqlite(engine: Engine) -> None:
    """Set what SQLite forgets with every connection; connections made before are dropped."""

    @event.listens_for(engine, "connect")
    def _set_pragmas(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")

    engine.dispose()


def _create_tables(url: URL, engine: Engine) -> None:
    with engine.connect() as connection:
        if migrations.current_version(connection) is not None:
            return
    with _lock(url, engine, CREATION):
        if url.get_backend_name() == "sqlite":
            with engine.connect() as connection:
                connection.execute(text("PRAGMA journal_mode = WAL"))  # kept in the file
        _optuna_storage(url, create=True).engine.dispose()
        with engine.begin() as connection:
            if migrations.current_version(connection) is None:
                migrations.upgrade(connection)


def _stored_version(url: URL, connection: Connection) -> str:
    version = migrations.current_version(connection)
    if version is None:
        kind = "Optuna studies, but none" if inspect(connection).has_table("studies") else "no studies"
        raise StorageError(
            f"{display(url)}: this database holds {kind} of stability-sweep; start one with `stability-sweep run FILE`"
        )
    return version


def _check_version(url: URL, engine: Engine) -> None:
    with engine.connect() as connection:
        version = _stored_version(url, connection)
    head = migrations.head_version()
    if migrations.is_older(version):
        raise StorageError(
            f"{display(url)}: expected schema version {head}, got {version}: an older version of stability-sweep wrote "
            f"this database; make a copy, end its workers, then run `stability-sweep db upgrade`"
        )
    if version != head:
        raise StorageError(
            f"{display(url)}: expected schema version {head}, got {version}: a newer version of stability-sweep "
            f"wrote this database; use that version, or another database"
        )


@contextlib.contextmanager
def _lock(url: URL, engine: Engine, name: str) -> Iterator[None]:
    path = sqlite_path(url)
    place = str(path.resolve()) if path is not None else str(url.database)
    # Names of locks are shared by all databases of a server, and MySQL allows 64 letters.
    key = f"stability-sweep-{hashlib.sha256(f'{place}/{name}'.encode()).hexdigest()[:24]}"
    if path is not None:
        file = Path(tempfile.gettempdir()) / f"{key}.lock"
        with filelock.FileLock(file, timeout=LOCK_TIMEOUT_SECONDS):
            yield
        return
    with engine.connect() as connection:
        _lock_server(connection, key)
        try:
            yield
        finally:
            with contextlib.suppress(SQLAlchemyError):  # a lost connection has given it up already
                _unlock_server(connection, key)


def _lock_server(connection: Connection, key: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_lock(hashtext(:key))"), {"key": key})
        return
    statement = text("SELECT GET_LOCK(:key, :timeout)")
    if connection.execute(statement, {"key": key, "timeout": LOCK_TIMEOUT_SECONDS}).scalar() != 1:
        raise StorageError("another process has held a lock in this database for over a minute; try again")


def _unlock_server(connection: Connection, key: str) -> None:
    function = "pg_advisory_unlock(hashtext(:key))" if connection.dialect.name == "postgresql" else "RELEASE_LOCK(:key)"
    connection.execute(text(f"SELECT {function}"), {"key": key})
