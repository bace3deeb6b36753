"""Tables are made and changed by a process that is killed after every single statement, and then by one that is not.

A kill after a statement that only reads leaves what the kill before it left, so those are passed over.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Callable
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Engine, event, inspect, text

from stability_sweep.results.outcome import Outcome
from stability_sweep.storage import Database, Repository, locks, migrations
from stability_sweep.storage.connections import make_engine
from stability_sweep.storage.creation import in_one_transaction, optuna_storage
from stability_sweep.storage.schema import VERSION_TABLE, Base
from stability_sweep.storage.urls import parse_url, sqlite_path
from tests.conftest import make_definition
from tests.waiting import growing_limits

pytestmark = pytest.mark.slow

MOST_STATEMENTS = 400
READS = ("SELECT", "PRAGMA", "SHOW", "DESCRIBE", "SET", "EXPLAIN")
KILLED, DONE, BROKEN, TOO_SLOW = -signal.SIGKILL, 0, 3, 4
SHORT_LEASE_SECONDS = 0.25
"""What a process that is killed in a lock takes it for: so long waits whoever comes after it."""


def in_a_child(work: Callable[[], None], *, kill_after: int | None, lease_seconds: float) -> int:
    """Do it in a forked process that kills itself after so many statements; returns how that ended."""
    child = os.fork()
    if child == 0:
        gc.freeze()  # else it goes through all that it has of its parent, and copies it, whenever it looks for garbage
        locks.LEASE_SECONDS = lease_seconds
        counter = 0

        def count(connection: Any, cursor: Any, statement: str, *arguments: Any) -> None:
            nonlocal counter
            if statement.lstrip().upper().startswith(READS):
                return
            counter += 1
            if counter == kill_after:
                os.kill(os.getpid(), signal.SIGKILL)

        event.listen(Engine, "after_cursor_execute", count)
        try:
            work()
        except locks.LockLostError:
            os._exit(TOO_SLOW)
        except BaseException as error:  # noqa: BLE001  # the parent is told by the exit code
            os.write(2, f"\n{kill_after}: {type(error).__name__}: {error}\n".encode())
            os._exit(BROKEN)
        os._exit(DONE)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def empty(url: str, *, only_ours: bool = False) -> None:
    """Make the database one without any table, or, on a server, without any of ours."""
    path = sqlite_path(parse_url(url))
    if path is not None:
        for file in path.parent.glob(f"*{path.name}*"):
            file.unlink()
        return
    engine = make_engine(parse_url(url))
    with engine.begin() as connection:
        if engine.dialect.name == "mysql":
            connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
        force = " CASCADE" if engine.dialect.name == "postgresql" else ""
        found = inspect(connection).get_table_names()
        dropped = [table for table in found if table.startswith("stability") or not only_ours]
        if dropped:
            connection.execute(text(f"DROP TABLE {', '.join(dropped)}{force}"))
        if only_ours and "studies" in found:
            connection.execute(text("SET FOREIGN_KEY_CHECKS = 1" if not force else "SELECT 1"))
            connection.execute(text("DELETE FROM trials"))
            connection.execute(text("DELETE FROM study_directions"))
            connection.execute(text("DELETE FROM studies"))
    engine.dispose()


def write_version_1(url: str) -> None:
    """A database as the first version of the program wrote it, with a study, a trial and its result."""
    empty(url, only_ours=True)
    path = sqlite_path(parse_url(url))
    if path is None:
        make_version_1(url)
        return
    kept = path.parent / "version-1"  # a file is made once, and copied
    if not kept.exists():
        make_version_1(url)
        path.rename(kept)
    shutil.copyfile(kept, path)


def make_version_1(url: str) -> None:
    """Make its tables and rows where there are none of ours."""
    parsed = parse_url(url)
    path = sqlite_path(parsed)
    if path is not None:
        path.touch()
    engine = make_engine(parsed)
    storage = optuna_storage(parsed, create=True)
    with in_one_transaction(engine) as connection:
        command.upgrade(migrations._config(connection), "0001")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO studies (study_id, study_name) VALUES (1, 'old')"))
        connection.execute(
            text("INSERT INTO study_directions (study_id, direction, objective) VALUES (1, 'MINIMIZE', 0)")
        )
        connection.execute(text("INSERT INTO trials (trial_id, number, study_id, state) VALUES (1, 0, 1, 'PRUNED')"))
        connection.execute(
            text(
                "INSERT INTO stability_definitions (study_id, study_name, fingerprint, definition, dataset, "
                "budget_trials, granted_trials, program_version) VALUES (1, 'old', 'f', :definition, 'digits', 1, 1, "
                "'0.1.0')"
            ),
            {"definition": make_definition(name="old").to_json()},
        )
        connection.execute(
            text(
                "INSERT INTO stability_results (trial_id, study_id, number, seed, outcome, divergence_step, "
                "divergence_signal, steps, horizon, final_loss_kind, wall_seconds, worker, device, threads, "
                "torch_version) VALUES (1, 1, 0, 7, 'diverged', 3, 'nan_loss', 3, 5, 'nan', 1.0, 'w', 'cpu', 1, "
                "'2.13.0')"
            )
        )
    storage.remove_session()
    storage.engine.dispose()
    engine.dispose()


def kill_everywhere(prepare: Callable[[], None], work: Callable[[], None]) -> int:
    """Kill the work after its first statement, its second and so on, and do it again; returns how many kills."""
    prepare()
    work()  # what it imports and compiles is then there in every process that is forked from this one
    for place in range(1, MOST_STATEMENTS):
        ended = kill_at(place, prepare, work)
        if ended == DONE:
            return place - 1
        assert ended == KILLED, f"statement {place}"
        ended = in_a_child(work, kill_after=None, lease_seconds=locks.LEASE_SECONDS)
        assert ended == DONE, f"after a kill at statement {place}"
    raise AssertionError("it never ended")


def kill_at(place: int, prepare: Callable[[], None], work: Callable[[], None]) -> int:
    """Kill the work after that statement; a busy machine may be too slow for a short lease, and gets a longer one."""
    for seconds in growing_limits(SHORT_LEASE_SECONDS):
        prepare()
        ended = in_a_child(work, kill_after=place, lease_seconds=seconds)
        if ended != TOO_SLOW:
            return ended
    raise AssertionError(f"statement {place}: no lease was long enough")


def tables(url: str) -> set[str]:
    engine = make_engine(parse_url(url))
    found = set(inspect(engine).get_table_names())
    engine.dispose()
    return found


def test_an_upgrade_killed_at_any_statement_is_completed_by_the_next(storage_url: str) -> None:
    def work() -> None:
        Database.upgrade(storage_url)
        database = Database.open(storage_url)
        repository = Repository(database)
        (stored,) = repository.results(repository.get_study("old"))
        assert (stored.result.outcome, stored.result.seed) == (Outcome.DIVERGED, 7)
        assert set(Base.metadata.tables) | {VERSION_TABLE} <= tables(storage_url)
        database.close()

    assert kill_everywhere(lambda: write_version_1(storage_url), work) >= 10


def test_a_first_creation_killed_at_any_statement_is_completed_by_the_next(storage_url: str) -> None:
    def work() -> None:
        database = Database.open(storage_url, create=True)
        Repository(database).create_study(make_definition(), "digits")
        assert Repository(database).study_names() == ["small"]
        assert [study.study_name for study in database.optuna_storage.get_all_studies()] == ["small"]
        assert set(Base.metadata.tables) | {VERSION_TABLE} <= tables(storage_url)
        database.close()

    assert kill_everywhere(lambda: empty(storage_url), work) >= 20
