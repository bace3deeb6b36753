"""``stability-sweep db``."""

from __future__ import annotations

from typing import Annotated

import typer

from stability_sweep.cli.options import Storage
from stability_sweep.cli.printing import say
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
        say(f"schema version {after}: nothing to do")
    else:
        say(f"schema version {before} -> {after}")


@app.command()
def adopt(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The copy's name.")], storage: Storage = DEFAULT_STORAGE
) -> None:
    """Make a study of ours out of a copy that another program made: Optuna's tools copy and rename a study like that.

    Results, telemetry and autopsies come from the original as long as the database has it. Without it the results come
    from the notes that every trial carries in Optuna's data; telemetry and autopsies are lost.

    Example:

      stability-sweep db adopt renamed --storage sqlite:///stability-sweep.db
    """
    from stability_sweep.cli.options import open_repository

    repository = open_repository(storage)
    study = repository.adopt(name)
    say(f"study {study.name} has {repository.summary(study).finished} trials with an outcome")
