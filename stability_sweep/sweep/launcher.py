"""Several worker processes on this machine, watched from one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from stability_sweep.environment import PARENT_VARIABLE, STORAGE_VARIABLE
from stability_sweep.errors import WorkerError
from stability_sweep.sampling.points import point_of
from stability_sweep.storage import Repository, StoredStudy
from stability_sweep.sweep.observer import SweepObserver
from stability_sweep.sweep.stopping import INTERRUPTED_EXIT_CODE, StopRequest

POLL_INTERVAL_SECONDS = 0.5
LOG_LINES_SHOWN = 5


def launch_workers(
    count: int,
    repository: Repository,
    study: StoredStudy,
    stop: StopRequest,
    observer: SweepObserver,
    *,
    options: Sequence[str] = (),
) -> None:
    """Start `count` worker processes, tell the observer about their trials, and wait until all have ended.

    Args:
        count: number of processes.
        repository: the study database; the workers get its URL through the environment.
        study: the study to work on.
        stop: when a stop is requested, every worker is asked to end.
        observer: told about every trial that finishes while the workers run.
        options: further command-line options for each worker.

    Raises:
        WorkerError: if a worker ended with an error; the message shows the end of its log.
    """
    finished = _FinishedTrials(repository, study)
    with tempfile.TemporaryDirectory(prefix="stability-sweep-") as folder:
        workers = [_WorkerProcess(repository, study, Path(folder), index + 1, options) for index in range(count)]

        def ask_all_to_end() -> None:
            for worker in workers:
                worker.ask_to_end()

        stop.on_signal = ask_all_to_end
        try:
            while any(worker.is_alive for worker in workers):
                time.sleep(POLL_INTERVAL_SECONDS)
                finished.tell(observer)
                if stop.requested:
                    break
        finally:
            ask_all_to_end()
            for worker in workers:
                worker.wait()
        finished.tell(observer)
        for worker in workers:
            worker.check()


class _WorkerProcess:
    """A worker in a process of its own, with its log."""

    def __init__(
        self, repository: Repository, study: StoredStudy, folder: Path, index: int, options: Sequence[str]
    ) -> None:
        self._name = f"worker {index}"
        self._asked_to_end = False
        self._log = folder / f"worker-{index}.log"
        url = repository.database.url.render_as_string(hide_password=False)
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "stability_sweep", "worker", study.name, *options],
                env={**os.environ, STORAGE_VARIABLE: url, PARENT_VARIABLE: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches this process only; it asks the workers in its own way
            )

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask_to_end(self) -> None:
        """Send one SIGTERM (a second one would make the worker drop its trial)."""
        if self.is_alive and not self._asked_to_end:
            self._asked_to_end = True
            self._process.terminate()

    def wait(self) -> None:
        self._process.wait()

    def check(self) -> None:
        """Raise `WorkerError` if the worker ended in any other way than done or interrupted."""
        expected = {0, INTERRUPTED_EXIT_CODE}
        if self._asked_to_end:
            expected.add(-signal.SIGTERM)  # it was still starting, and had no trial yet
        if self._process.returncode not in expected:
            lines = [line for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
            tail = " | ".join(lines[-LOG_LINES_SHOWN:]) or "it printed nothing"
            raise WorkerError(f"{self._name} ended with exit code {self._process.returncode}: {tail}")


class _FinishedTrials:
    """Tells an observer about results that were not there before."""

    def __init__(self, repository: Repository, study: StoredStudy) -> None:
        self._repository = repository
        self._study = study
        self._seen = {stored.number for stored in repository.results(study)}
        self._all_seen_up_to = -1

    def tell(self, observer: SweepObserver) -> None:
        while self._all_seen_up_to + 1 in self._seen:
            self._all_seen_up_to += 1
        for stored in self._repository.results(self._study, after_number=self._all_seen_up_to):
            if stored.number not in self._seen:
                self._seen.add(stored.number)
                params = self._repository.database.optuna_storage.get_trial(stored.trial_id).params
                observer.trial_finished(stored.number, point_of(params, self._study.definition), stored.result)
