"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stability_sweep.environment import STORAGE_VARIABLE
from stability_sweep.workers.launch import command

if TYPE_CHECKING:
    from stability_sweep.storage import Repository

Storage = Annotated[
    str,
    typer.Option(
        envvar=STORAGE_VARIABLE,
        show_envvar=True,
        help="Storage URL: sqlite:///FILE, postgresql://USER:PASSWORD@HOST/DATABASE or mysql://...",
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the study.")]
TrialNumber = Annotated[int, typer.Argument(min=0, metavar="TRIAL", help="Number of the trial.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value instead of text.")]
DataDir = Annotated[
    Path | None,
    typer.Option(
        command.DATA_DIR, help="Folder with the MNIST files. Else $STABILITY_SWEEP_DATA, the cache, or a download."
    ),
]
Device = Annotated[str, typer.Option(command.DEVICE, help="cpu, cuda, cuda:0, ...; auto takes a GPU if there is one.")]
Threads = Annotated[
    int | None, typer.Option(command.THREADS, min=1, help="CPU threads per worker. Default: allowed cores, shared.")
]
Timeout = Annotated[
    float | None,
    typer.Option(min=0, help="End after so many seconds; the running trial goes back to the queue."),
]


def open_repository(storage: str, *, create: bool = False) -> Repository:
    """The repository at a storage URL; imports the database libraries, which `--help` need not wait for."""
    import optuna

    from stability_sweep.storage import Database, Repository

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # we tell about trials ourselves
    return Repository(Database.open(storage, create=create))
