"""Servers that say nothing, and holders of locks that stand still: everybody else goes on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from stability_sweep.environment import DATABASE_TIMEOUT_VARIABLE
from stability_sweep.errors import OutageError
from stability_sweep.storage import Database, Repository
from stability_sweep.storage.locks import LockLostError
from stability_sweep.targets.rhvae.trainable import PreparedRHVAE
from tests.proxy import Proxy
from tests.waiting import wait_until
from tests.workers.faults import Crew, check_nothing_lost_and_nothing_twice, context, drill_definition

pytestmark = pytest.mark.slow

LOCK_WAS_LOST = 7
LEASE_SECONDS = 3.0
servers = pytest.mark.parametrize(
    "storage_url",
    [pytest.param("postgresql", marks=pytest.mark.postgres), pytest.param("mysql", marks=pytest.mark.mysql)],
    indirect=True,
)


@pytest.fixture
def proxy(storage_url: str) -> Iterator[Proxy]:
    port = make_url(storage_url).port
    assert port is not None
    with Proxy(port) as found:
        yield found


def through(proxy: Proxy, url: str) -> str:
    return make_url(url).set(port=proxy.port).render_as_string(hide_password=False)


@servers
def test_a_server_that_says_nothing_in_the_middle_of_a_statement_is_an_outage(
    storage_url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATABASE_TIMEOUT_VARIABLE, "2")
    database = Database.open(through(proxy, storage_url), create=True)
    with database.session() as session:
        assert session.scalar(text("SELECT 1")) == 1
    proxy.go_silent()
    with pytest.raises(OutageError), database.session() as session:
        session.scalar(text("SELECT 1"))
    proxy.speak_again()
    with database.session() as session:
        assert session.scalar(text("SELECT 1")) == 1
    database.close()


@servers
def test_workers_live_through_a_network_that_swallows_everything(
    storage_url: str, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATABASE_TIMEOUT_VARIABLE, "2")
    database = Database.open(storage_url, create=True)
    repository = Repository(database)
    budget = 24
    repository.create_study(drill_definition(budget), "digits")
    study = repository.get_study("small")
    crew = Crew(through(proxy, storage_url), str(tmp_path / "spool"), seconds_per_trial=0.2, most_attempts=11)
    try:
        crew.start(3)
        wait_until(lambda: repository.summary(study).finished >= 4, "the first trials end")
        proxy.go_silent()
        time.sleep(6.0)  # three times what a server may say nothing
        proxy.speak_again()
        crew.wait()
    finally:
        crew.end()
    check_nothing_lost_and_nothing_twice(repository, budget)
    database.close()


def stand_still_in_the_lock(url: str, name: str, sign: str) -> None:
    """Take the lock, stop like a frozen process, and after waking up try to use it."""
    database = Database.open(url)
    with database.lock(name, seconds=LEASE_SECONDS) as lease:
        Path(sign).touch()
        os.kill(os.getpid(), signal.SIGSTOP)
        try:
            lease.renew()
        except LockLostError:
            os._exit(LOCK_WAS_LOST)
    os._exit(0)


def test_a_frozen_holder_of_the_budget_lock_stops_nobody_and_is_refused_when_it_wakes(
    storage_url: str, tmp_path: Path
) -> None:
    database = Database.open(storage_url, create=True)
    repository = Repository(database)
    repository.create_study(drill_definition(6), "digits")
    study = repository.get_study("small")
    sign = tmp_path / "held"
    holder = context().Process(
        target=stand_still_in_the_lock, args=(storage_url, f"budget-{study.study_id}", str(sign))
    )
    holder.start()
    crew = Crew(storage_url, str(tmp_path / "spool"))
    try:
        wait_until(sign.exists, "the lock is held")
        lock = repository.summary(study).lock
        assert lock is None or lock[0].endswith(f":{holder.pid}")
        crew.start(2)
        crew.wait()
        check_nothing_lost_and_nothing_twice(repository, 6)
        assert holder.pid is not None
        os.kill(holder.pid, signal.SIGCONT)
        wait_until(lambda: not holder.is_alive(), "the holder ends")
        assert holder.exitcode == LOCK_WAS_LOST
    finally:
        crew.end()
        holder.kill()
        holder.join()
    database.close()


def test_whoever_lost_the_lock_while_it_created_a_trial_withdraws_it(
    storage_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst moment to stand still: between the last look at the lock and the trial."""
    import torch
    from optuna.trial import TrialState

    from stability_sweep.targets.images.images import load_images
    from stability_sweep.workers import StopRequest, Worker

    database = Database.open(storage_url, create=True)
    repository = Repository(database)
    study = repository.create_study(drill_definition(3), "digits")
    images = load_images(study.effective_definition.settings["data"], None, torch.device("cpu"))
    worker = Worker(repository, study, PreparedRHVAE(images), StopRequest())
    storage = worker._trials.study._storage
    create = storage.create_new_trial
    robbed: list[bool] = []

    def create_late(*arguments: object, **options: object) -> int:
        if not robbed:
            robbed.append(True)
            with database.session() as session:
                session.execute(text("UPDATE stability_locks SET token = 'another', expires_at = 0"))
        return int(create(*arguments, **options))  # type: ignore[arg-type]

    monkeypatch.setattr(storage, "create_new_trial", create_late)
    assert worker.run() == 3
    states = [trial.state for trial in database.optuna_storage.get_all_trials(study.study_id)]
    assert states.count(TrialState.FAIL) == 1
    assert len(repository.results(study)) == 3
    assert repository.summary(study).finished == 3
    database.close()
