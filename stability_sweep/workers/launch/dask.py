"""Workers on a dask cluster: the engine places, supervises and repeats them; the study database does the rest.

A task starts one worker process beside the dask worker that runs it and waits for it. If the dask worker dies, its
process notices and gives its trial back (or is missed, and the trial is taken over); dask runs the task elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stability_sweep.environment import ALLOWED_IMPORTS_VARIABLE
from stability_sweep.errors import OutageError, WorkerError
from stability_sweep.storage import Repository, StoredStudy
from stability_sweep.storage.urls import mask
from stability_sweep.workers.launch.command import NO_OPTIONS, WorkerOptions, worker_command, worker_environment
from stability_sweep.workers.launch.finished import FinishedTrials
from stability_sweep.workers.launch.process_end import ended_well, last_lines
from stability_sweep.workers.observer import SweepObserver
from stability_sweep.workers.stopping import StopRequest

POLL_INTERVAL_SECONDS = 0.5
RETRIES = 3
CONNECT_TIMEOUT_SECONDS = 10
LONGEST_GOODBYE_SECONDS = 30


@dataclass(frozen=True)
class WorkerOrder:
    """What a task needs to know. Its text never shows the URL, which may hold a password."""

    study: str
    url: str = field(repr=False)
    options: WorkerOptions
    stop_event: str
    allowed_imports: str
    """What the launcher's user allows, who runs code on the cluster anyway."""


def launch_on_dask(
    scheduler: str,
    repository: Repository,
    study: StoredStudy,
    stop: StopRequest,
    observer: SweepObserver,
    *,
    count: int | None = None,
    options: WorkerOptions = NO_OPTIONS,
    resources: Mapping[str, float] | None = None,
) -> None:
    """Run workers of a study on the cluster behind a dask scheduler, and wait until all have ended.

    Args:
        scheduler: its address, such as ``tcp://host:8786``.
        repository: the study database; the cluster's machines must reach its URL.
        study: the study to work on.
        stop: when a stop is requested, every worker is asked to end.
        observer: told about every trial that finishes meanwhile.
        count: number of workers; one per dask worker if absent.
        options: said to each worker.
        resources: what a worker takes of a dask worker's declared resources, such as ``{"GPU": 0.5}``.

    Raises:
        WorkerError: if the scheduler cannot be reached, or a worker failed in every one of its tries.
    """
    try:
        import distributed
    except ModuleNotFoundError as error:
        raise WorkerError("dask is not installed; install it with: pip install 'stability-sweep[dask]'") from error
    try:
        client = distributed.Client(scheduler, timeout=CONNECT_TIMEOUT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise WorkerError(f"--scheduler {scheduler}: no dask scheduler answers there: {error}") from error
    with client:
        order = WorkerOrder(
            study.name,
            repository.secret_url,
            options,
            f"stability-sweep-stop-{uuid.uuid4()}",
            os.environ.get(ALLOWED_IMPORTS_VARIABLE, ""),
        )
        event = distributed.Event(order.stop_event, client=client)
        number = count or max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
        futures = [
            client.submit(
                run_worker_process,
                order,
                key=f"stability-sweep-worker-{index}-{order.stop_event[-8:]}",
                retries=RETRIES,
                resources=dict(resources or {}),
                pure=False,
            )
            for index in range(1, number + 1)
        ]
        _watch(futures, event, stop, FinishedTrials(repository, study), observer)
        _check(futures)


def _watch(
    futures: list[Any], event: Any, stop: StopRequest, finished: FinishedTrials, observer: SweepObserver
) -> None:
    try:
        while not all(future.done() for future in futures):
            time.sleep(POLL_INTERVAL_SECONDS)
            with contextlib.suppress(OutageError):
                finished.tell(observer)
            if stop.requested:
                break
    finally:
        if not all(future.done() for future in futures):
            event.set()
            deadline = time.monotonic() + LONGEST_GOODBYE_SECONDS
            while time.monotonic() < deadline and not all(future.done() for future in futures):
                time.sleep(POLL_INTERVAL_SECONDS)
    with contextlib.suppress(OutageError):
        finished.tell(observer)


def _check(futures: list[Any]) -> None:
    failed = [future for future in futures if future.status == "error"]
    if failed:
        reason = mask(" ".join(str(failed[0].exception()).split()))
        tries = f"{RETRIES + 1} times" if RETRIES else "once"
        raise WorkerError(f"{len(failed)} of {len(futures)} workers failed {tries}, the first with: {reason}")


def run_worker_process(order: WorkerOrder) -> int:
    """The task: one worker process on the machine of this dask worker; returns its exit code.

    Raises:
        RuntimeError: if it ended with an error, so that dask tries again.
    """
    import distributed

    event = distributed.Event(order.stop_event)
    process = subprocess.Popen(
        worker_command(order.study, order.options),
        env={
            **worker_environment(order.url),
            **({ALLOWED_IMPORTS_VARIABLE: order.allowed_imports} if order.allowed_imports else {}),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    was_asked_to_end = False
    while True:
        try:
            output, _ = process.communicate(timeout=POLL_INTERVAL_SECONDS)
            break
        except subprocess.TimeoutExpired:
            if not was_asked_to_end and event.is_set():
                was_asked_to_end = True
                process.terminate()
    if not ended_well(process.returncode, was_asked_to_end=was_asked_to_end):
        raise RuntimeError(f"a worker ended with exit code {process.returncode}: {mask(last_lines(output))}")
    return process.returncode
