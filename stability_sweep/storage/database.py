"""Opening a study database: checks, first creation, sessions and locks."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
from sqlalchemy import URL, Connection, Engine, inspect, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from stability_sweep.errors import AnotherDatabaseError, StorageError
from stability_sweep.storage import locks, migrations
from stability_sweep.storage.connections import make_engine, on_new_connections
from stability_sweep.storage.creation import create_tables, in_one_transaction, optuna_storage
from stability_sweep.storage.orphans import delete_orphans, forget_with_optuna
from stability_sweep.storage.outages import is_outage, storage_errors
from stability_sweep.storage.schema import DatabaseRow
from stability_sweep.storage.urls import display, mask, parse_url, sqlite_path

CREATION = "creation"
"""Name of the lock under which studies are made."""


class Database:
    """An open study database whose tables are of this program's version.

    Optuna's storage and our repository share one engine, so there is one connection pool and one set of settings.
    Every new connection is checked to lead to the database that was opened: a path or a URL may name another one by
    then.
    """

    def __init__(self, url: URL, optuna_storage: optuna.storages.RDBStorage, database_id: str) -> None:
        self.url = url
        self.optuna_storage = optuna_storage
        self.database_id = database_id
        """Which database it is: no other has this text, and it keeps it wherever it is moved."""
        self.engine: Engine = optuna_storage.engine
        on_new_connections(self.engine, self._check_identity)

    def __str__(self) -> str:
        return display(self.url)

    @property
    def sqlite_file(self) -> Path | None:
        """Its file; None for one on a server or in memory."""
        return sqlite_path(self.url)

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
            _check_sqlite_file(url, create=create)
            if create:
                with _url_errors(url):
                    create_tables(url)
            with _connected(url) as engine:
                _check_version(url, engine)
                with engine.connect() as connection:
                    database_id = connection.scalar(select(DatabaseRow.database_id))
            if database_id is None:
                raise StorageError(f"{display(url)}: the table stability_database is empty; restore a copy")
            return cls(url, optuna_storage(url, create=False), database_id)

    @staticmethod
    def upgrade(url_text: str) -> tuple[str, str]:
        """Bring the tables of a database that an older version wrote to this one's; return both schema versions.

        A process that is killed meanwhile leaves what this, called again, completes.

        Raises:
            StorageError: as for `open`; a newer version's database is left alone.
        """
        url = parse_url(url_text)
        with storage_errors(url):
            _check_sqlite_file(url, create=False)
            with _connected(url) as engine:
                with locks.creation_lock(engine), in_one_transaction(engine) as connection:
                    before = _stored_version(url, connection)
                    if migrations.is_older(before):
                        migrations.upgrade(connection)
                _check_version(url, engine)
        return before, migrations.head_version()

    def errors(self) -> contextlib.AbstractContextManager[None]:
        """Within it, errors of drivers, SQLAlchemy and Optuna's storage become a `StorageError` about this database."""
        return storage_errors(self.url)

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """A session in one transaction; its errors become a `StorageError`."""
        with self.errors(), Session(self.engine) as session, session.begin():
            yield session

    @contextlib.contextmanager
    def lock(self, name: str, *, seconds: float | None = None) -> Iterator[locks.Lease]:
        """Held by one process at a time, over all machines that share the database; it ends by itself (`locks`)."""
        holder = f"{socket.gethostname()}:{os.getpid()}"
        with locks.lease(self.session, name, holder, seconds=seconds) as held:
            yield held

    def tidy(self) -> None:
        """Forget what belongs to studies and trials that Optuna has deleted, and see to it that none stays again."""
        if self.engine.dialect.name != "sqlite":
            return  # there foreign keys do it
        with self.errors(), in_one_transaction(self.engine) as connection:
            forget_with_optuna(connection)
            delete_orphans(connection)

    def close(self) -> None:
        """Close all connections."""
        self.optuna_storage.remove_session()
        self.engine.dispose()

    def _check_identity(self, connection: Any) -> None:
        """Refuse a new connection, of the driver, that leads to another database."""
        cursor = connection.cursor()
        try:
            cursor.execute("SELECT database_id FROM stability_database")
            row = cursor.fetchone()
        except self.engine.dialect.loaded_dbapi.Error as error:
            if _is_outage_of_driver(error, self.engine):
                raise
            row = None
        cursor.close()
        connection.rollback()
        if row is None or row[0] != self.database_id:
            raise AnotherDatabaseError(
                f"{self}: another database has taken the place of the one that was opened here (it was made anew); "
                f"what was measured for the old one is not written into it"
            )


def _check_sqlite_file(url: URL, *, create: bool) -> None:
    path = sqlite_path(url)
    if path is None:
        return
    if not create and not path.exists():
        raise StorageError(f"{display(url)}: there is no such file; start a study with `stability-sweep run FILE`")
    if not path.absolute().parent.is_dir():
        raise StorageError(f"{display(url)}: the folder {path.parent} does not exist; create it first")


@contextlib.contextmanager
def _connected(url: URL) -> Iterator[Engine]:
    """An engine that has reached the database."""
    engine = make_engine(url)
    with _url_errors(url):
        engine.connect().close()
    try:
        yield engine
    finally:
        engine.dispose()


@contextlib.contextmanager
def _url_errors(url: URL) -> Iterator[None]:
    """What a driver dislikes about a URL it says with errors of any kind."""
    try:
        yield
    except (AssertionError, TypeError, ValueError) as error:
        raise StorageError(f"{display(url)}: the driver does not accept this URL: {mask(str(error))}") from error


def _is_outage_of_driver(error: Exception, engine: Engine) -> bool:
    """Whether an error of the driver may pass; any other one means that the table is not there."""
    return is_outage(DBAPIError.instance(None, None, error, engine.dialect.loaded_dbapi.Error, dialect=engine.dialect))


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
