"""Making the tables of a study database: complete, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from sqlalchemy import URL, Connection, Engine, event, func, select, table, text

from stability_sweep.errors import StorageError
from stability_sweep.storage import migrations
from stability_sweep.storage.connections import engine_options, make_engine
from stability_sweep.storage.locks import creation_lock
from stability_sweep.storage.urls import display, mask, sqlite_path


def create_tables(url: URL) -> None:
    """Make what is missing of Optuna's tables and ours; a SQLite file appears with all of them at once.

    A process that is killed at any statement leaves a database that this, called again, completes. Older tables are
    left as they are, unless they hold no study: then such a process left them.
    """
    path = sqlite_path(url)
    if path is not None and not (path.exists() and path.stat().st_size):
        _create_file(url, path)
        return
    engine = make_engine(url)
    try:
        if _has_all(engine):
            return
        with creation_lock(engine):
            if not _has_all(engine):  # nobody else was quicker
                _fill(url, engine)
    finally:
        engine.dispose()


def optuna_storage(url: URL, *, create: bool) -> optuna.storages.RDBStorage:
    """Optuna's view of the database.

    Raises:
        StorageError: if its tables are of a version that this Optuna does not know.
    """
    try:
        return optuna.storages.RDBStorage(
            url.render_as_string(hide_password=False),
            engine_kwargs=engine_options(url),
            skip_table_creation=not create,
        )
    except RuntimeError as error:
        raise StorageError(f"{display(url)}: {mask(' '.join(str(error).split()))}") from error


definitions = table("stability_definitions")
"""As it is in every version."""


@contextmanager
def in_one_transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction for changes of the schema: SQLite's driver would commit every one of them by itself."""
    if engine.dialect.name != "sqlite":
        with engine.begin() as connection:
            yield connection
        return
    own = make_engine(engine.url)

    @event.listens_for(own, "connect")
    def _no_transactions_of_the_driver(connection: Any, record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(own, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    try:
        with own.begin() as connection:
            yield connection
    finally:
        own.dispose()


def _fill(url: URL, engine: Engine) -> None:
    storage = optuna_storage(url, create=True)
    storage.remove_session()
    storage.engine.dispose()
    with in_one_transaction(engine) as connection:
        if not _is_complete(connection):
            migrations.upgrade(connection)


def _has_all(engine: Engine) -> bool:
    with engine.connect() as connection:
        return _is_complete(connection)


def _is_complete(connection: Connection) -> bool:
    """Whether nothing is to be made: the tables are this version's, or another version's with studies in them."""
    version = migrations.current_version(connection)
    if version is None:
        return False
    return not migrations.is_older(version) or bool(connection.scalar(select(func.count()).select_from(definitions)))


def _create_file(url: URL, path: Path) -> None:
    """Make the database beside its place and put it there when it is complete; another process may be quicker."""
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    own = url.set(database=str(unfinished))
    try:
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))
    except OSError as error:
        raise StorageError(f"{display(url)}: unable to open database file: {error.strerror or error}") from error
    try:
        engine = make_engine(own)
        try:
            with engine.connect() as connection:
                connection.execute(text("PRAGMA journal_mode = WAL"))  # kept in the file
            _fill(own, engine)
        finally:
            engine.dispose()
        _put_in_place(unfinished, path)
    finally:
        for leftover in ("", "-wal", "-shm", "-journal"):
            unfinished.with_name(unfinished.name + leftover).unlink(missing_ok=True)


def _put_in_place(unfinished: Path, path: Path) -> None:
    if path.exists() and not path.stat().st_size:  # somebody made an empty file: it has nothing to lose
        unfinished.chmod(path.stat().st_mode & 0o777)
        unfinished.replace(path)
        return
    try:
        with contextlib.suppress(FileExistsError):  # another process was quicker: its database is the one
            os.link(unfinished, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EACCES, errno.ENOSYS, errno.EMLINK):
            raise
        unfinished.rename(path)  # a file system without links
