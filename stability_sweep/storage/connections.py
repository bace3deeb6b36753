"""Connections that neither wait for ever nor end up in another database than the one that was opened."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, CreateEnginePlugin, Engine, create_engine, event
from sqlalchemy.dialects import plugins
from sqlalchemy.exc import DisconnectionError

from stability_sweep.environment import DATABASE_TIMEOUT_VARIABLE, seconds_from
from stability_sweep.storage.urls import sqlite_path

SQLITE_BUSY_TIMEOUT_SECONDS = 30
CONNECT_TIMEOUT_SECONDS = 10
POOL_RECYCLE_SECONDS = 1800

SILENCE_SECONDS = 30.0
"""A server that says nothing for so long in the middle of a statement is away: an outage like any other."""

LONGEST_STATEMENT_SECONDS = 120
"""A statement that runs away is ended by the server itself."""

IDLE_SILENCES = 2
"""After so many times that silence the server ends a transaction whose client does nothing, and gives up its locks: the
client is frozen, or the network has swallowed its goodbye."""

PLUGIN = "stability_sweep.limits"
"""Name under which SQLAlchemy finds `LimitsPlugin`."""

SIGNS_OF_LIFE = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""Options of libpq: an idle connection whose other end has vanished is noticed within a minute."""


def silence_seconds() -> float:
    """How long a server may say nothing: 30 s, or what the environment says."""
    return seconds_from(DATABASE_TIMEOUT_VARIABLE, SILENCE_SECONDS)


def engine_options(url: URL) -> dict[str, Any]:
    """What every engine of ours is made with."""
    backend = url.get_backend_name()
    if backend == "sqlite":
        return {"plugins": [PLUGIN], "connect_args": {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}}
    # Pre-ping: a connection that died in the pool is replaced. Recycling: firewalls forget idle ones after an hour.
    options: dict[str, Any] = {
        "plugins": [PLUGIN],
        "pool_pre_ping": True,
        "pool_recycle": POOL_RECYCLE_SECONDS,
        "pool_size": 3,
    }
    arguments: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT_SECONDS}
    if backend == "postgresql":
        arguments |= {**SIGNS_OF_LIFE, "tcp_user_timeout": round(1000 * silence_seconds())}
    elif url.get_driver_name() == "pymysql":
        arguments |= {"read_timeout": silence_seconds(), "write_timeout": silence_seconds()}
    options["connect_args"] = {name: value for name, value in arguments.items() if name not in url.query}
    return options


def make_engine(url: URL) -> Engine:
    """An engine for the database at that URL, with limits to every wait."""
    return create_engine(url, **engine_options(url))


class LimitsPlugin(CreateEnginePlugin):
    """Gives limits to an engine as soon as it is made, also to the one that Optuna makes."""

    def update_url(self, url: URL) -> URL:
        """Nothing in the URL is ours."""
        return url

    def engine_created(self, engine: Engine) -> None:
        """Set per connection what servers and SQLite forget with it."""
        backend = engine.url.get_backend_name()
        if backend == "postgresql" and engine.url.get_driver_name() == "psycopg":
            _end_silence(engine)
        path = sqlite_path(engine.url)
        if path is not None:
            _follow_file(engine, path)
        seconds = max(1, round(silence_seconds()))
        idle_seconds = IDLE_SILENCES * seconds
        settings = {
            "postgresql": (
                f"SET statement_timeout = '{LONGEST_STATEMENT_SECONDS}s'",
                f"SET lock_timeout = '{seconds}s'",
                f"SET idle_in_transaction_session_timeout = '{idle_seconds}s'",
            ),
            # MySQL knows no limit for transactions alone; the pool replaces what it closed outside of any.
            "mysql": (
                f"SET SESSION innodb_lock_wait_timeout = {seconds}",
                f"SET SESSION wait_timeout = {idle_seconds}",
            ),
            "sqlite": ("PRAGMA synchronous = NORMAL", "PRAGMA foreign_keys = ON"),
        }["mysql" if backend == "mariadb" else backend]

        @event.listens_for(engine, "connect")
        def _set(connection: Any, record: Any) -> None:
            with _closed_on_error(connection):
                cursor = connection.cursor()
                for statement in settings:
                    cursor.execute(statement)
                cursor.close()
                connection.commit()


plugins.register(PLUGIN, __name__, LimitsPlugin.__name__)


def on_new_connections(engine: Engine, check: Callable[[Any], None]) -> None:
    """Run a check on every connection that the engine opens from now on; those that it has are closed."""

    @event.listens_for(engine, "connect")
    def _check(connection: Any, record: Any) -> None:
        with _closed_on_error(connection):
            check(connection)

    engine.dispose()


@contextlib.contextmanager
def _closed_on_error(connection: Any) -> Iterator[None]:
    """Close a new connection that is of no use: the pool has not heard of it yet."""
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _end_silence(engine: Engine) -> None:
    """psycopg waits for an answer for ever: give up, and close the connection, when nothing comes for too long."""
    import psycopg

    limit = silence_seconds()

    class Connection(psycopg.Connection[Any]):
        def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
            return super().wait(self._until_silence(gen), *arguments, **options)

        def _until_silence(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
            """The same conversation, with a look at the clock whenever the socket was not ready."""
            heard = time.monotonic()
            try:
                wanted = next(gen)
                while True:
                    ready = yield wanted
                    now = time.monotonic()
                    if ready:
                        heard = now
                    elif now - heard > limit:
                        self.pgconn.finish()
                        raise psycopg.OperationalError(f"the server said nothing for {limit:g} s")
                    wanted = gen.send(ready)
            except StopIteration as end:
                return end.value

    @event.listens_for(engine, "do_connect")
    def _connect(dialect: Any, record: Any, arguments: Any, options: Any) -> Any:
        return Connection.connect(*arguments, **options)


def _follow_file(engine: Engine, path: Path) -> None:
    """SQLite goes on writing into a file that was deleted or replaced: look whether it is still the same."""

    @event.listens_for(engine, "do_connect")
    def _open(dialect: Any, record: Any, arguments: Any, options: Any) -> None:
        if not path.exists():  # SQLite itself would make an empty one
            raise sqlite3.OperationalError("unable to open database file: it is not there")

    @event.listens_for(engine, "connect")
    def _remember(connection: Any, record: Any) -> None:
        record.info["file"] = _file_identity(path)

    @event.listens_for(engine, "checkout")
    def _compare(connection: Any, record: Any, proxy: Any) -> None:
        now = _file_identity(path)
        if record.info.get("file") != now:
            raise DisconnectionError("the file was replaced")


def _file_identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
