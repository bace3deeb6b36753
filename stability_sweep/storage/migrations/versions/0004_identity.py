"""Which database, which study and which trial a row belongs to; locks that end; SQLite forgets what Optuna deletes."""

import uuid

import sqlalchemy as sa
from alembic import op

from stability_sweep.storage.migrations import steps
from stability_sweep.storage.orphans import delete_orphans, forget_with_optuna

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Studies and the database get an identity now; trials get theirs when they are next begun."""
    steps.create_table(
        "stability_database",
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("database_id", sa.String(36), nullable=False),
    )
    steps.create_table(
        "stability_locks",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("holder", sa.String(255), nullable=False),
        sa.Column("token", sa.String(36), nullable=False),
        sa.Column("taken_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
    )
    steps.add_column("stability_definitions", _identity("study_uuid"))
    steps.add_column("stability_claims", _identity("trial_uuid"))
    connection = op.get_bind()
    delete_orphans(connection)
    forget_with_optuna(connection)
    _name_database(connection)
    _name_studies(connection)


def _identity(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(36), nullable=False, server_default="")


def _name_database(connection: sa.Connection) -> None:
    table = sa.table("stability_database", sa.column("row"), sa.column("database_id"))
    if connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0:
        connection.execute(sa.insert(table).values(row=1, database_id=str(uuid.uuid4())))


def _name_studies(connection: sa.Connection) -> None:
    table = sa.table("stability_definitions", sa.column("study_id"), sa.column("study_uuid"))
    for study_id in connection.scalars(sa.select(table.c.study_id).where(table.c.study_uuid == "")).all():
        connection.execute(sa.update(table).where(table.c.study_id == study_id).values(study_uuid=str(uuid.uuid4())))
