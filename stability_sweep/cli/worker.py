"""``stability-sweep worker``."""

from __future__ import annotations

import os

import typer

from stability_sweep.cli.options import (
    DataDir,
    Device,
    Name,
    Storage,
    Threads,
    Timeout,
    open_repository,
)
from stability_sweep.cli.printing import say
from stability_sweep.environment import DEFAULT_STORAGE, PARENT_VARIABLE


def worker(
    name: Name,
    storage: Storage = DEFAULT_STORAGE,
    data_dir: DataDir = None,
    device: Device = "auto",
    threads: Threads = None,
    timeout: Timeout = None,
) -> None:
    """Work on an existing study until it ends; start as many workers as you like, on any machine.

    The definition comes from the database, so a worker needs nothing but the storage URL and the study's name.

    Example:

      stability-sweep worker quickstart --storage postgresql://me@db/sweeps
    """
    repository = open_repository(storage)
    study = repository.get_study(name)

    from stability_sweep.engine.cores import threads_are_set
    from stability_sweep.engine.devices import resolve_device, set_threads
    from stability_sweep.terminal.display import watching
    from stability_sweep.workers import StopRequest, Worker
    from stability_sweep.workers.stopping import INTERRUPTED_EXIT_CODE

    set_threads(threads)
    shares_cores = threads is None and not threads_are_set()
    prepared = study.effective_definition.prepare(data_dir=data_dir, device=resolve_device(device))
    parent = os.environ.get(PARENT_VARIABLE)
    stop = StopRequest(
        timeout if timeout is not None else study.definition.budget.timeout_seconds,
        parent=int(parent) if parent else None,
    )
    with stop.on_signals():
        with watching(repository.summary(study)) as observer:
            finished = Worker(repository, study, prepared, stop, observer, shares_cores=shares_cores).run()
        say(f"this worker finished {finished} trials of study {study.name}", err=True)
        if stop.interrupted:
            stop.end_now()
            raise typer.Exit(INTERRUPTED_EXIT_CODE)
