"""Several worker processes on this machine, watched from one."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from stability_sweep.errors import OutageError, WorkerError
from stability_sweep.storage import Repository, StoredStudy
from stability_sweep.workers.launch.command import NO_OPTIONS, WorkerOptions, worker_command, worker_environment
from stability_sweep.workers.launch.finished import FinishedTrials
from stability_sweep.workers.launch.process_end import ended_well, last_lines
from stability_sweep.workers.observer import SweepObserver
from stability_sweep.workers.patience import Patience
from stability_sweep.workers.stopping import INTERRUPTED_EXIT_CODE, StopRequest

POLL_INTERVAL_SECONDS = 0.5

MOST_RESTARTS = 3
"""So often a worker process that was killed is started again."""

ENDED_BY_ITSELF = frozenset({0, 1, 2, INTERRUPTED_EXIT_CODE})
"""Exit codes that a worker chose: starting it again would end in the same way."""

logger = logging.getLogger(__name__)


def launch_workers(
    count: int,
    repository: Repository,
    study: StoredStudy,
    stop: StopRequest,
    observer: SweepObserver,
    *,
    options: WorkerOptions = NO_OPTIONS,
    devices: Sequence[str] = (),
) -> None:
    """Start `count` worker processes, tell the observer about their trials, and wait until all have ended.

    A worker that was killed is started again, at most three times, and the end of its log is logged here.

    Args:
        count: number of processes.
        repository: the study database; the workers get its URL through the environment.
        study: the study to work on.
        stop: when a stop is requested, every worker is asked to end.
        observer: told about every trial that finishes while the workers run.
        options: said to each worker.
        devices: devices that the workers take in turn; empty leaves the choice to `options`.

    Raises:
        WorkerError: if a worker ended with an error; the message shows the end of its log.
    """
    finished = FinishedTrials(repository, study)
    with tempfile.TemporaryDirectory(prefix="stability-sweep-") as folder:
        in_turn = [replace(options, device=device) for device in devices] or [options]
        environment = worker_environment(repository.secret_url)
        workers = [
            _WorkerProcess(
                index + 1, worker_command(study.name, in_turn[index % len(in_turn)]), environment, Path(folder)
            )
            for index in range(count)
        ]

        def ask_all_to_end() -> None:
            for worker in workers:
                worker.ask_to_end()

        def end_all_at_once() -> None:
            for worker in workers:
                worker.end_at_once()

        stop.on_signal = ask_all_to_end
        stop.on_insistence = end_all_at_once
        try:
            while any(worker.is_alive for worker in workers):
                time.sleep(POLL_INTERVAL_SECONDS)
                with contextlib.suppress(OutageError):  # the workers live through it, and so does their launcher
                    finished.tell(observer)
                if stop.requested:
                    break
                for worker in workers:
                    worker.restart_if_killed()
        finally:
            ask_all_to_end()
            for worker in workers:
                worker.wait()
        Patience(repository.database, stop)("reading the results", lambda: finished.tell(observer))
        for worker in workers:
            worker.check()


class _WorkerProcess:
    """A worker in a process of its own, with its log."""

    def __init__(self, index: int, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self._name = f"worker {index}"
        self._command = command
        self._environment = environment
        self._asked_to_end = False
        self._restarts = 0
        self._log = folder / f"worker-{index}.log"
        self._start()

    def _start(self) -> None:
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches this process only; it asks the workers in its own way
            )

    def restart_if_killed(self) -> None:
        """Start the worker again if it was killed (by the system for want of memory, by a crash in native code)."""
        code = self._process.poll()
        if code is None or code in ENDED_BY_ITSELF or self._asked_to_end or self._restarts == MOST_RESTARTS:
            return
        self._restarts += 1
        logger.warning(
            "%s was killed (exit code %d) and is started again (%d of %d): %s",
            self._name,
            code,
            self._restarts,
            MOST_RESTARTS,
            self._log_end(),
        )
        self._start()

    def _log_end(self) -> str:
        return last_lines(self._log.read_text(errors="replace")) or "it printed nothing"

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask_to_end(self) -> None:
        """Send one SIGTERM: the worker gives its trial back."""
        if self.is_alive and not self._asked_to_end:
            self._asked_to_end = True
            self._process.terminate()

    def end_at_once(self) -> None:
        """Kill the process; its trial is missed, and taken over later."""
        if self.is_alive:
            self._process.kill()

    def wait(self) -> None:
        self._process.wait()

    def check(self) -> None:
        """Raise `WorkerError` if the worker ended in any other way than done or interrupted."""
        if not ended_well(self._process.returncode, was_asked_to_end=self._asked_to_end):
            raise WorkerError(f"{self._name} ended with exit code {self._process.returncode}: {self._log_end()}")
