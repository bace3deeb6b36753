"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stability_sweep.environment import STORAGE_VARIABLE
from stability_sweep.errors import StabilitySweepError

if TYPE_CHECKING:
    import torch

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
    typer.Option(help="Folder with the MNIST files. Else $STABILITY_SWEEP_DATA, the cache, or a download."),
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:0, ...; auto takes a GPU if there is one.")]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads per worker. Default: allowed cores, shared.")]
Timeout = Annotated[
    float | None,
    typer.Option(min=0, help="End after so many seconds; the running trial goes back to the queue."),
]


class DeviceError(StabilitySweepError):
    """A device that this machine does not have."""


def open_repository(storage: str, *, create: bool = False) -> Repository:
    """The repository at a storage URL; imports the database libraries, which `--help` need not wait for."""
    import optuna

    from stability_sweep.storage import Database, Repository

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # we tell about trials ourselves
    return Repository(Database.open(storage, create=create))


def resolve_device(name: str) -> torch.device:
    """The device of that name.

    Raises:
        DeviceError: if it does not exist here.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise DeviceError(f"--device {name}: not to be used here ({reason}); expected auto, cpu or cuda:N") from error
    return device


def set_threads(threads: int | None, *, workers: int = 1) -> int:
    """Set torch's thread count for this process: as asked, as the environment says, or this process's share."""
    import torch

    from stability_sweep.sweep.cores import allowed_cores, threads_are_set

    if threads is None and threads_are_set():
        return torch.get_num_threads()
    chosen = threads if threads is not None else max(1, allowed_cores() // workers)
    torch.set_num_threads(chosen)
    return chosen
