"""Fault drills: real processes, really killed, on real servers."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.trial import TrialState

from stability_sweep.environment import HEARTBEAT_VARIABLE, SPOOL_VARIABLE
from stability_sweep.results.outcome import Outcome
from stability_sweep.storage import Database, Repository
from stability_sweep.storage.workers import Workers
from tests.servers import OwnPostgresql
from tests.waiting import wait_for_end
from tests.workers.faults import (
    COUNTING_HEARTBEAT_SECONDS,
    UNHURRIED_HEARTBEAT_SECONDS,
    Crew,
    check_nothing_lost_and_nothing_twice,
    context,
    drill_definition,
    wait_until,
    work,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def shared(storage_url: str) -> Iterator[Repository]:
    database = Database.open(storage_url, create=True)
    yield Repository(database)
    database.close()


@pytest.fixture
def spool(tmp_path: Path) -> str:
    return str(tmp_path / "spool")


def test_ten_killed_workers_lose_no_trial_and_double_none(shared: Repository, storage_url: str, spool: str) -> None:
    budget = 120
    shared.create_study(drill_definition(budget), "digits")
    study = shared.get_study("small")
    # Chance may kill three workers over one trial, which is then failed: what that does is another test's claim.
    crew = Crew(storage_url, spool, seconds_per_trial=0.05, most_attempts=11)
    generator = random.Random(0)
    kills = 0
    try:
        crew.start(4)
        while kills < 10:
            before = shared.summary(study).finished
            wait_until(lambda before=before: shared.summary(study).finished > before + 2, "three more outcomes")  # type: ignore[misc]
            time.sleep(generator.uniform(0, 0.2))
            kills += crew.kill_one(generator)
        crew.wait()
    finally:
        crew.end()
    attempts = check_nothing_lost_and_nothing_twice(shared, budget)
    assert sum(attempts.values()) == budget
    assert sum(count for times, count in attempts.items() if times > 1) >= 1  # the kills hit workers at work


def test_a_stopped_server_loses_nothing(own_postgresql: OwnPostgresql, spool: str) -> None:
    """20 s without a database, a disk that takes nothing, and a worker killed in that time."""
    database = Database.open(own_postgresql.url, create=True)
    repository = Repository(database)
    budget = 60
    repository.create_study(drill_definition(budget), "digits")
    study = repository.get_study("small")
    crew = Crew(own_postgresql.url, spool, seconds_per_trial=0.3, heartbeat_seconds=COUNTING_HEARTBEAT_SECONDS)
    try:
        crew.start(3)
        crew.start(1, no_disk=True)
        wait_until(lambda: repository.summary(study).finished >= 8, "eight outcomes")
        own_postgresql.stop()
        wait_until(lambda: list(Path(spool).rglob("*.json")) != [], "results that are kept")  # they went on
        for victim in crew.processes[:3]:
            victim.kill()
            victim.join()
        crew.start(3)  # these cannot join yet
        time.sleep(20)
        own_postgresql.start()
        crew.wait()
    finally:
        crew.end()
    attempts = check_nothing_lost_and_nothing_twice(repository, budget)
    assert list(Path(spool).rglob("*.json")) == []
    assert attempts[1] >= budget - 4
    database.close()


def test_a_dead_workers_trial_runs_again(shared: Repository, storage_url: str, spool: str) -> None:
    shared.create_study(drill_definition(2), "digits")
    study = shared.get_study("small")
    crew = Crew(storage_url, spool, seconds_per_trial=3600.0)
    try:
        crew.start(1)
        workers = Workers(shared.database, study)
        wait_until(lambda: any(worker.trials == [0] for worker in workers.present()), "a worker at work")
        victim = crew.processes[0].pid
        crew.processes[0].kill()
        crew.start(1, seconds_per_trial=0.0)
        wait_for_end(crew.processes[1])  # an outcome is there a moment before its trial is told
        (dead,) = [worker for worker in shared.summary(study).workers if worker.process_id == victim]
        assert not dead.alive
    finally:
        crew.end()
    assert check_nothing_lost_and_nothing_twice(shared, 2) == {1: 1, 2: 1}


@pytest.mark.postgres
@pytest.mark.parametrize("storage_url", ["postgresql"], indirect=True)
def test_a_trial_that_kills_its_worker_three_times_is_failed_with_its_reason(
    shared: Repository,
    storage_url: str,
    spool: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shared.create_study(drill_definition(1), "digits")
    study = shared.get_study("small")
    crew = Crew(storage_url, spool, seconds_per_trial=3600.0)
    workers = Workers(shared.database, study)
    try:
        for attempt in range(3):
            crew.start(1)
            victim = crew.processes[attempt]
            wait_until(lambda pid=victim.pid: (pid, 0) in running(workers), "the victim at work")  # type: ignore[misc]
            victim.kill()
            victim.join()
    finally:
        crew.end()
    for variable in (HEARTBEAT_VARIABLE, SPOOL_VARIABLE):
        monkeypatch.setenv(variable, "")  # put back what `work` changes
    work(storage_url, spool)
    assert "trial 0 failed: its worker died in each of 3 attempts" in caplog.text
    (stored,) = shared.results(study)
    assert stored.result.outcome is Outcome.FAILED
    assert stored.result.failure is not None
    assert stored.result.failure.startswith("its worker died in each of 3 attempts, the last one on ")
    (trial,) = shared.database.optuna_storage.get_all_trials(study.study_id)
    assert trial.state is TrialState.FAIL


@pytest.mark.postgres
@pytest.mark.parametrize("storage_url", ["postgresql"], indirect=True)
def test_a_clock_that_is_an_hour_off_declares_nobody_dead(shared: Repository, storage_url: str, spool: str) -> None:
    shared.create_study(drill_definition(16), "digits")
    crew = Crew(storage_url, spool, seconds_per_trial=0.6, heartbeat_seconds=UNHURRIED_HEARTBEAT_SECONDS)
    try:
        crew.start(1)
        crew.start(1, clock_off=3600.0)
        crew.start(1, clock_off=-3600.0)
        crew.wait()
    finally:
        crew.end()
    assert check_nothing_lost_and_nothing_twice(shared, 16) == {1: 16}


def running(workers: Workers) -> set[tuple[int, int]]:
    """Process and trial of every worker that is at work."""
    return {(worker.process_id, trial) for worker in workers.present() for trial in worker.trials}


def create(url: str) -> None:
    database = Database.open(url, create=True)
    Repository(database).create_study(drill_definition(3), "digits")
    database.close()


def test_eight_processes_that_create_one_new_study_make_one(storage_url: str) -> None:
    processes = [context().Process(target=create, args=(storage_url,)) for _ in range(8)]
    for process in processes:
        process.start()
    wait_for_end(*processes)
    assert [process.exitcode for process in processes] == [0] * 8
    database = Database.open(storage_url)
    assert Repository(database).study_names() == ["small"]
    assert len(database.optuna_storage.get_all_studies()) == 1
    database.close()
