"""``stability-sweep db``."""

from __future__ import annotations

import typer

from stability_sweep.cli.options import Storage
from stability_sweep.environment import DEFAULT_STORAGE

app = typer.Typer(help="Look after a study database.", no_args_is_help=True)


@app.command()
def upgrade(storage: Storage = DEFAULT_STORAGE) -> None:
    """Bring the tables that an older version wrote to this version; Optuna's tables are not touched.

    Example:

      stability-sweep db upgrade --storage sqlite:///stability-sweep.db
    """
    from stability_sweep.storage import Database

    before, after = Database.upgrade(storage)
    if before == after:
        typer.echo(f"schema version {after}: nothing to do")
    else:
        typer.echo(f"schema version {before} -> {after}")
