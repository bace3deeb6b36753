"""Who works on a study, where, and how many they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from stability_sweep.engine.cores import allowed_cores
from stability_sweep.engine.devices import set_threads
from stability_sweep.storage import Repository, StoredStudy, StudySummary
from stability_sweep.workers.ending import is_over
from stability_sweep.workers.launch.command import WorkerOptions
from stability_sweep.workers.launch.dask import launch_on_dask
from stability_sweep.workers.launch.local import launch_workers
from stability_sweep.workers.observer import SweepObserver
from stability_sweep.workers.stopping import StopRequest
from stability_sweep.workers.worker import Worker

MOST_WORKERS_BY_DEFAULT = 8
"""Each takes half a gigabyte of memory or more."""


@dataclass(frozen=True)
class Crew:
    """The workers that a run starts; a single one on this machine works in the run's own process."""

    devices: list[str]
    """By name, "auto" among them; workers on this machine take them in turn, those of a cluster all the first one."""
    first_device: torch.device
    """What the first name means here."""
    workers: int | None = None
    """How many; None: one for each device, core or worker of the cluster."""
    threads: int | None = None
    """Of each worker; None: its share of the cores."""
    scheduler: str | None = None
    """Of a dask cluster; None for workers on this machine."""
    resources: dict[str, float] | None = None
    """What a worker takes of a dask worker's declared resources."""
    data_dir: Path | None = None

    def work(self, repository: Repository, study: StoredStudy, stop: StopRequest, observer: SweepObserver) -> None:
        """Run the study until it ends or a stop is requested.

        Args:
            repository: where the study lives.
            study: the study.
            stop: ends the work; the running trials go back to the queue.
            observer: told about the trials.
        """
        if self.scheduler is not None:
            options = WorkerOptions(self.devices[0], self.threads, self.data_dir)
            launch_on_dask(
                self.scheduler,
                repository,
                study,
                stop,
                observer,
                count=self.workers,
                options=options,
                resources=self.resources,
            )
            return
        count = self.workers or max(len(self.devices), self._default_workers(repository.summary(study)))
        threads = set_threads(self.threads, workers=count)
        if count == 1:
            self._work_here(repository, study, stop, observer)
        else:
            options = WorkerOptions(threads=threads, data_dir=self.data_dir)
            launch_workers(count, repository, study, stop, observer, options=options, devices=self.devices)

    def _default_workers(self, summary: StudySummary) -> int:
        """One worker per core: at small batches a step is no faster with two threads than with one."""
        if self.first_device.type != "cpu":
            return 1
        return max(1, min(allowed_cores(), MOST_WORKERS_BY_DEFAULT, summary.budget - summary.finished))

    def _work_here(
        self, repository: Repository, study: StoredStudy, stop: StopRequest, observer: SweepObserver
    ) -> None:
        if is_over(repository, study):
            return  # nothing to do: do not load the data for it
        prepared = study.effective_definition.prepare(data_dir=self.data_dir, device=self.first_device)
        Worker(repository, study, prepared, stop, observer).run()
