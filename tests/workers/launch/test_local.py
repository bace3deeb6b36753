from __future__ import annotations

import os
import signal
import threading
from collections import Counter

import pytest

from stability_sweep.errors import WorkerError
from stability_sweep.storage import Repository
from stability_sweep.storage.workers import Workers
from stability_sweep.workers import StopRequest, launch_workers, prepare_study
from stability_sweep.workers.launch.command import WorkerOptions
from tests.conftest import make_definition
from tests.workers.faults import HEARTBEAT_SECONDS, check_nothing_lost_and_nothing_twice, drill_definition, wait_until
from tests.workers.test_worker import Recorder


def test_two_processes_share_a_budget_exactly(repository: Repository) -> None:
    study = prepare_study(repository, make_definition(budget={"trials": 7}))
    recorder = Recorder()
    launch_workers(2, repository, study, StopRequest(), recorder, options=WorkerOptions(threads=1))
    assert sorted(number for number, _, _ in recorder.finished) == list(range(7))
    workers = {stored.provenance.worker for stored in repository.results(study)}
    assert len(repository.results(study)) == 7
    assert 1 <= len(workers) <= 2


def test_a_grid_stays_a_grid_with_several_workers(repository: Repository) -> None:
    definition = make_definition(
        search_space={"learning_rate": [1e-4, 1e-3], "batch_size": [16, 64], "clip_norm": [1.0, "off"]},
        sampler={"name": "grid"},
        budget={"trials": 16, "repeats": 2},
    )
    study = prepare_study(repository, definition)
    recorder = Recorder()
    launch_workers(3, repository, study, StopRequest(), recorder, options=WorkerOptions(threads=1))
    points = Counter(tuple(point.values()) for _, point, _ in recorder.finished)
    assert len(points) == 8
    assert set(points.values()) == {2}


def test_a_worker_that_was_killed_is_started_again_and_nothing_is_lost(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("STABILITY_SWEEP_HEARTBEAT_SECONDS", str(HEARTBEAT_SECONDS))
    study = prepare_study(repository, drill_definition(40, training={"horizon_steps": 40}))
    workers = Workers(repository.database, study)

    def kill_one() -> None:
        wait_until(lambda: repository.summary(study).finished >= 2, "two outcomes")
        os.kill(workers.present()[0].process_id, signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    launch_workers(
        2, repository, study, StopRequest(), Recorder(), options=WorkerOptions(threads=1), devices=["cpu", "cpu"]
    )
    killer.join()
    assert "was killed (exit code -9) and is started again (1 of 3)" in caplog.text
    check_nothing_lost_and_nothing_twice(repository, 40)


def test_a_worker_that_dies_is_told_with_the_end_of_its_log(repository: Repository) -> None:
    study = prepare_study(repository, make_definition())
    with pytest.raises(WorkerError, match=r"worker 1 ended with exit code 2: error: --device nonsense"):
        launch_workers(1, repository, study, StopRequest(), Recorder(), options=WorkerOptions(device="nonsense"))
