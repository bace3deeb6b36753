"""Locks with a holder who can be seen and an end that comes by itself.

A lock is a row. It is taken by changing that row, it is lost when it is not renewed in time (on the database's clock),
and whoever lost it hears of it before the next thing that it does under it. Nothing is held open meanwhile: no
connection, no file, and no process that is frozen can keep the others waiting for longer than the lease.

That is why they are not the servers' own locks, which sqlalchemy-dlock would give us: such a lock lasts as long as its
connection (a frozen holder keeps it), names no holder whom `status` could show, and SQLite has none at all.
"""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from sqlalchemy import Connection, Engine, select, text, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from stability_sweep.errors import OutageError, StorageError
from stability_sweep.storage.clock import database_seconds
from stability_sweep.storage.schema import LockRow

logger = logging.getLogger(__name__)

LEASE_SECONDS = 10.0
"""A lock whose holder did not renew it for so long is anybody's."""

LONGEST_WAIT_SECONDS = 120.0
"""Then the wait counts as an outage: the caller may ask again."""

WORD_AFTER_SECONDS = 5.0
"""A wait of so long is logged, with the holder."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.002, 0.1

Sessions = Callable[[], AbstractContextManager[Session]]
"""Opens a session in a transaction of its own; its errors become a `StorageError`."""


class LockLostError(OutageError):
    """The lock was held for too long without a sign of life, and was given to somebody else: begin again."""


class Lease:
    """A lock that is held."""

    def __init__(self, sessions: Sessions, name: str, token: str, seconds: float) -> None:
        self._sessions = sessions
        self._name = name
        self._token = token
        self._seconds = seconds

    def renew(self, session: Session | None = None) -> None:
        """Hold it for another lease from now on.

        Args:
            session: a transaction that may only become true while the lock is held.

        Raises:
            LockLostError: if it is no longer held.
        """
        if session is None:
            with self._sessions() as own:
                self.renew(own)
            return
        now = database_seconds()
        changed = session.execute(
            update(LockRow)
            .where(LockRow.name == self._name, LockRow.token == self._token, LockRow.expires_at >= now)
            .values(expires_at=now + self._seconds)
        )
        if not changed.rowcount:  # type: ignore[attr-defined]
            raise LockLostError(f"the lock {self._name!r} was held for over {self._seconds:g} s and is lost")

    def give_up(self) -> None:
        """Let others have it."""
        with self._sessions() as session:
            session.execute(
                update(LockRow).where(LockRow.name == self._name, LockRow.token == self._token).values(expires_at=0.0)
            )


@contextmanager
def lease(sessions: Sessions, name: str, holder: str, *, seconds: float | None = None) -> Iterator[Lease]:
    """Hold a lock, waiting for it if need be.

    Args:
        sessions: opens sessions of the database that the lock is about.
        name: of the lock.
        holder: who takes it, for the others to see.
        seconds: it ends by itself when it was not renewed for so long; 10 by default.

    Raises:
        OutageError: if others hold it for two minutes; the message names the last one.
    """
    token = str(uuid.uuid4())
    seconds = LEASE_SECONDS if seconds is None else seconds
    _take(sessions, name, holder, token, seconds)
    held = Lease(sessions, name, token, seconds)
    try:
        yield held
    finally:
        # If this fails the lease ends by itself; what happened under it counts more than this error.
        try:
            held.give_up()
        except StorageError as error:
            logger.debug("the lock %r could not be given up: %s", name, error)


def _take(sessions: Sessions, name: str, holder: str, token: str, seconds: float) -> None:
    started, pause, is_logged = time.monotonic(), FIRST_PAUSE_SECONDS, False
    while (other := _try(sessions, name, holder, token, seconds)) is not None:
        waited = time.monotonic() - started
        if waited > LONGEST_WAIT_SECONDS:
            raise OutageError(f"the lock {name!r} was not to be had for {waited:.0f} s; {other} holds it")
        if waited > WORD_AFTER_SECONDS and not is_logged:
            logger.warning("waiting for the lock %r, which %s holds", name, other)
            is_logged = True
        time.sleep(pause * random.uniform(0.5, 1.0))  # not for secrets: so that waiters do not march in step
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _try(sessions: Sessions, name: str, holder: str, token: str, seconds: float) -> str | None:
    """Take the lock if it is free; None then, else who holds it."""
    now = database_seconds()
    with sessions() as session:
        found = session.execute(
            select(LockRow.holder, (LockRow.expires_at < now).label("is_free")).where(LockRow.name == name)
        ).first()
        if found is not None and not found.is_free:
            return str(found.holder)
        taken = {"holder": holder, "token": token, "taken_at": now, "expires_at": now + seconds}
        if found is not None:
            changed = session.execute(
                update(LockRow).where(LockRow.name == name, LockRow.expires_at < now).values(**taken)
            )
            return None if changed.rowcount else "another worker"  # type: ignore[attr-defined]
    try:
        with sessions() as session:
            session.add(LockRow(name=name, **taken))
    except StorageError as error:
        if not isinstance(error.__cause__, IntegrityError):
            raise
        return "another worker"  # it made the row in this very moment
    return None


@contextmanager
def creation_lock(engine: Engine) -> Iterator[None]:
    """Held while tables are made or changed on a server, where the rows of the other locks do not exist yet.

    The server gives it back when its holder's connection ends, and ends the connection of a holder that is frozen.
    SQLite needs none: there all of it is one transaction that no two can have.

    Raises:
        OutageError: if another process holds it for too long.
    """
    if engine.dialect.name == "sqlite":
        yield
        return
    with engine.connect() as connection:
        _lock_server(connection)
        try:
            yield
        finally:
            try:
                _unlock_server(connection)
            except SQLAlchemyError as error:  # a lost connection has given it up already
                logger.debug("the lock of the tables could not be given up: %s", error)


def _lock_server(connection: Connection) -> None:
    """Ask again and again: a statement that waited itself would look like a server that says nothing."""
    function = "pg_try_advisory_lock(hashtext(:key))"
    if connection.dialect.name != "postgresql":
        function = "GET_LOCK(:key, 0)"
        connection.execute(text(f"SET SESSION wait_timeout = {round(LONGEST_WAIT_SECONDS)}"))
    started = time.monotonic()
    while connection.execute(text(f"SELECT {function}"), {"key": _key(connection)}).scalar() not in (True, 1):
        if time.monotonic() - started > LONGEST_WAIT_SECONDS:
            raise OutageError("another process makes or changes the tables of this database; try again")
        time.sleep(LONGEST_PAUSE_SECONDS)


def _unlock_server(connection: Connection) -> None:
    function = "pg_advisory_unlock(hashtext(:key))" if connection.dialect.name == "postgresql" else "RELEASE_LOCK(:key)"
    connection.execute(text(f"SELECT {function}"), {"key": _key(connection)})


def _key(connection: Connection) -> str:
    """Such locks belong to a whole server; MySQL allows 64 letters."""
    return f"stability-sweep/{connection.engine.url.database}"[:64]
