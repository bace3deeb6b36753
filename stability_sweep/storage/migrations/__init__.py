"""The history of our tables, apart from Optuna's."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from stability_sweep.storage.schema import VERSION_TABLE


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def head_version() -> str:
    """The schema version that this program writes."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def is_older(version: str) -> bool:
    """Whether this program can bring a database of that version to its own."""
    known = [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]
    return version in known[1:]


def current_version(connection: Connection) -> str | None:
    """The schema version of a database; None if it has none of our tables."""
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


def upgrade(connection: Connection) -> None:
    """Bring our tables to this program's version; Optuna's tables are not touched."""
    command.upgrade(_config(connection), "head")
