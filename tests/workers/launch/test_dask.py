"""Workers on a cluster of real dask processes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stability_sweep.errors import WorkerError
from stability_sweep.storage import Database, Repository
from stability_sweep.storage.workers import Workers
from stability_sweep.workers import StopRequest, launch_on_dask
from stability_sweep.workers.launch.command import WorkerOptions
from stability_sweep.workers.launch.dask import WorkerOrder
from stability_sweep.workers.observer import SilentObserver
from tests.workers.faults import check_nothing_lost_and_nothing_twice, drill_definition, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # dask's own warnings and open sockets


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("STABILITY_SWEEP_HEARTBEAT_SECONDS", "0.5")
    monkeypatch.setenv("STABILITY_SWEEP_SPOOL", str(tmp_path / "spool"))
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1",
        local_directory=str(tmp_path), resources={"slots": 1},
    ) as local:  # fmt: skip
        yield local


def test_a_killed_dask_worker_loses_no_trial(cluster: Any, repository: Repository) -> None:
    budget = 30
    study = repository.create_study(drill_definition(budget, training={"horizon_steps": 40}), "digits")
    workers = Workers(repository.database, study)
    done = threading.Event()

    def kill_one() -> None:
        wait_until(lambda: repository.summary(study).finished >= 4, "four outcomes")
        os.kill(cluster.workers[0].pid, signal.SIGKILL)
        done.set()

    killer = threading.Thread(target=kill_one)
    killer.start()
    launch_on_dask(
        cluster.scheduler_address, repository, study, StopRequest(), SilentObserver(),
        options=WorkerOptions(device="cpu", threads=1), resources={"slots": 1},
    )  # fmt: skip
    killer.join()
    assert done.is_set()
    check_nothing_lost_and_nothing_twice(repository, budget)
    assert [worker for worker in workers.present() if worker.alive] == []


def test_a_stop_ends_the_workers_of_the_cluster(cluster: Any, repository: Repository) -> None:
    study = repository.create_study(drill_definition(10**6), "digits")
    stop = StopRequest()

    def ask() -> None:
        wait_until(lambda: repository.summary(study).finished >= 2, "two outcomes")
        stop.interrupted = True

    asker = threading.Thread(target=ask)
    asker.start()
    launch_on_dask(
        cluster.scheduler_address, repository, study, stop, SilentObserver(), options=WorkerOptions(device="cpu")
    )
    asker.join()
    summary = repository.summary(study)
    assert summary.running == 0
    assert 2 <= summary.finished < 10**6


def test_a_worker_that_cannot_start_is_told_without_the_password(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stability_sweep.workers.launch.dask.RETRIES", 0)
    database = Database.open(f"sqlite:///{tmp_path / 'study.db'}", create=True)
    repository = Repository(database)
    study = repository.create_study(drill_definition(2), "digits")
    with pytest.raises(WorkerError, match="1 of 1 workers failed once, the first with: a worker ended with exit co"):
        launch_on_dask(
            cluster.scheduler_address, repository, study, StopRequest(), SilentObserver(), count=1,
            options=WorkerOptions(device="nonsense"),
        )  # fmt: skip
    database.close()
    assert "secret" not in repr(WorkerOrder("small", "postgresql://me:secret@host/db", WorkerOptions(), "event", ""))


def test_a_scheduler_that_does_not_answer_is_told(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stability_sweep.workers.launch.dask.CONNECT_TIMEOUT_SECONDS", 1)
    study = repository.create_study(drill_definition(2), "digits")
    with pytest.raises(WorkerError, match=r"--scheduler tcp://127\.0\.0\.1:1: no dask scheduler answers there"):
        launch_on_dask("tcp://127.0.0.1:1", repository, study, StopRequest(), SilentObserver())
