"""Alembic runs this file for every migration, on the connection that it is handed."""

from alembic import context

from stability_sweep.storage.schema import VERSION_TABLE, Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
