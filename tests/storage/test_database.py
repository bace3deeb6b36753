from __future__ import annotations

import sqlite3
from pathlib import Path

import optuna
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from stability_sweep.environment import DATABASE_TIMEOUT_VARIABLE
from stability_sweep.errors import OutageError, StorageError
from stability_sweep.results.outcome import Outcome
from stability_sweep.storage import Database, Repository, connections, migrations
from stability_sweep.storage.schema import VERSION_TABLE, Base
from stability_sweep.storage.urls import parse_url
from tests.conftest import make_definition, plain_optuna_storage


def open_error(url: str, *, create: bool = False) -> str:
    with pytest.raises(StorageError) as caught:
        Database.open(url, create=create)
    message = str(caught.value)
    assert "\n" not in message
    assert "secret" not in message
    return message


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "malformed storage URL 'nonsense'; expected for example sqlite:///study.db"),
        ("postgresql://me:secret@host:port/db", "malformed storage URL 'postgresql://me:***@host:port/db'"),
        ("oracle://me:secret@host/db", "unknown database 'oracle' in oracle://me:***@host/db"),
        ("mysql://me:secret@127.0.0.1", "names no database"),
        ("sqlite://", "a study needs a SQLite file"),
        ("sqlite:////no/such/folder/study.db", "the folder /no/such/folder does not exist; create it first"),
        ("sqlite:////proc/study.db", "sqlite:////proc/study.db: unable to open database file"),
        ("postgresql://me:secret@127.0.0.1:1/db", "postgresql+psycopg://me:***@127.0.0.1:1/db: connection failed"),
        ("mysql://me:secret@127.0.0.1:1/db", "mysql+pymysql://me:***@127.0.0.1:1/db: Can't connect to MySQL server"),
        ("mysql+mysqldb://me:secret@127.0.0.1/db", "the driver 'MySQLdb' is not installed"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_told_in_one_line(url: str, message: str) -> None:
    assert message in open_error(url, create=True)


def test_reading_never_creates_a_file(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    assert "there is no such file" in open_error(f"sqlite:///{path}")
    assert not path.exists()


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, and they are long enough to have a header" * 10)
    before = path.read_bytes()
    assert "file is not a database" in open_error(f"sqlite:///{path}", create=True)
    assert path.read_bytes() == before


def test_a_plain_optuna_database_gets_our_tables_only_when_a_study_is_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'optuna.db'}"
    with plain_optuna_storage(url) as storage:
        optuna.create_study(study_name="foreign", storage=storage)
    assert "holds Optuna studies, but none of stability-sweep" in open_error(url)
    Database.open(url, create=True).close()
    with plain_optuna_storage(url) as storage:
        assert optuna.get_all_study_names(storage) == ["foreign"]


def test_another_schema_version_is_refused_and_untouched(storage_url: str) -> None:
    database = Database.open(storage_url, create=True)
    with database.engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    database.close()
    for create in (False, True):
        message = open_error(storage_url, create=create)
        assert "expected schema version 0005, got 9999: a newer version of stability-sweep wrote this" in message
    with pytest.raises(StorageError, match="a newer version of stability-sweep wrote this database"):
        Database.upgrade(storage_url)


def make_version_1(url: str) -> None:
    """A database as the first version made it, with one result in it."""
    Database.open(url, create=True).close()
    engine = create_engine(parse_url(url))
    with engine.begin() as connection:
        for name in (
            "stability_telemetry",
            "stability_autopsies",
            "stability_workers",
            "stability_claims",
            "stability_results",
            "stability_definitions",
        ):
            connection.execute(text(f"DROP TABLE {name}"))
        connection.execute(text(f"DELETE FROM {VERSION_TABLE}"))
        command.upgrade(migrations._config(connection), "0001")
    storage = optuna.storages.RDBStorage(parse_url(url).render_as_string(hide_password=False))
    study = optuna.create_study(study_name="old", storage=storage)
    trial = study.ask()
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO stability_definitions (study_id, study_name, fingerprint, definition, dataset, "
                "budget_trials, granted_trials, program_version) VALUES (:id, 'old', 'f', :definition, 'digits', 1, 1, "
                "'0.1.0')"
            ),
            {"id": study._study_id, "definition": make_definition(name="old").to_json()},
        )
        connection.execute(
            text(
                "INSERT INTO stability_results (trial_id, study_id, number, seed, outcome, divergence_step, "
                "divergence_signal, steps, horizon, final_loss_kind, wall_seconds, worker, device, threads, "
                "torch_version) VALUES (:trial, :id, 0, 7, 'diverged', 3, 'nan_loss', 3, 5, 'nan', 1.0, 'w', 'cpu', 1, "
                "'2.13.0')"
            ),
            {"trial": trial._trial_id, "id": study._study_id},
        )
    storage.remove_session()
    storage.engine.dispose()
    engine.dispose()


def test_an_older_database_is_upgraded_when_asked_and_never_silently(storage_url: str) -> None:
    make_version_1(storage_url)
    for create in (False, True):
        message = open_error(storage_url, create=create)
        assert "expected schema version 0005, got 0001: an older version of stability-sweep wrote this" in message
        assert "stability-sweep db upgrade" in message
    assert Database.upgrade(storage_url) == ("0001", "0005")
    assert Database.upgrade(storage_url) == ("0005", "0005")
    database = Database.open(storage_url)
    repository = Repository(database)
    (stored,) = repository.results(repository.get_study("old"))
    database.close()
    assert (stored.result.outcome, stored.result.steps, stored.result.seed) == (Outcome.DIVERGED, 3, 7)
    assert stored.result.divergence is not None
    assert (stored.result.divergence.origin, stored.result.spikes, stored.provenance.cpu) == (None, None, None)


def test_optuna_tables_of_another_version_are_told_in_one_line(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    database = Database.open(url, create=True)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'v99.0.0.a'"))
    database.close()
    assert "no longer compatible with the table schema" in open_error(url)


def test_the_migrations_make_the_tables_that_the_code_expects(storage_url: str) -> None:
    database = Database.open(storage_url, create=True)
    names = set(Base.metadata.tables)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"include_name": lambda name, kind, parents: kind != "table" or name in names, "compare_type": True},
        )
        differences = [d for d in compare_metadata(context, Base.metadata) if d[0] not in ("remove_fk",)]
    database.close()
    assert differences == []


def test_opening_twice_changes_nothing(storage_url: str) -> None:
    Database.open(storage_url, create=True).close()
    database = Database.open(storage_url, create=True)
    tables = inspect(database.engine).get_table_names()
    database.close()
    assert {"studies", "stability_definitions", "stability_results", VERSION_TABLE} <= set(tables)


def test_sqlite_is_set_up_for_several_processes(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    database = Database.open(f"sqlite:///{path}", create=True)
    with database.engine.connect() as connection:
        values = {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in (
            "journal_mode", "busy_timeout", "synchronous", "foreign_keys",
        )}  # fmt: skip
    database.close()
    assert values == {"journal_mode": "wal", "busy_timeout": 30_000, "synchronous": 1, "foreign_keys": 1}
    with sqlite3.connect(path) as plain:
        assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_plain_optuna_script_can_open_our_database(storage_url: str) -> None:
    database = Database.open(storage_url, create=True)
    database.close()
    with plain_optuna_storage(database.url) as storage:
        study = optuna.create_study(study_name="mine", storage=storage)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
        assert optuna.get_all_study_names(storage) == ["mine"]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM nothing_of_that_name",
        "ALTER TABLE stability_results ADD COLUMN seed INTEGER",  # "duplicate column"
        "NO SQL AT ALL",
    ],
)
def test_a_statement_that_the_database_does_not_accept_is_no_outage(storage_url: str, statement: str) -> None:
    database = Database.open(storage_url, create=True)
    with pytest.raises(StorageError) as caught, database.session() as session:
        session.execute(text(statement))
    database.close()
    assert not isinstance(caught.value, OutageError)


def test_a_lock_of_the_database_that_another_one_holds_is_an_outage(
    storage_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATABASE_TIMEOUT_VARIABLE, "1")
    monkeypatch.setattr(connections, "SQLITE_BUSY_TIMEOUT_SECONDS", 1)
    database = Database.open(storage_url, create=True)
    change = text("UPDATE stability_database SET row = 1" if database.engine.dialect.name != "mysql" else
                  "UPDATE stability_database SET `row` = 1")  # fmt: skip
    with database.engine.connect() as holder:
        if database.engine.dialect.name == "sqlite":
            holder.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            holder.execute(change)
        with pytest.raises(OutageError), database.session() as session:
            session.execute(change)
        holder.rollback()
    database.close()
