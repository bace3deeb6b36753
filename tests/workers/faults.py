"""Real worker processes for the fault drills. They come from a server that has imported torch once."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from collections import Counter
from multiprocessing.context import ForkServerProcess
from typing import Any

import optuna
from optuna.trial import TrialState
from sqlalchemy import func, select

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.environment import HEARTBEAT_VARIABLE, SPOOL_VARIABLE
from stability_sweep.errors import OutageError
from stability_sweep.results.outcome import Outcome
from stability_sweep.storage import Database, Repository
from stability_sweep.storage.schema import HoldRow
from stability_sweep.targets.rhvae.trainable import PreparedRHVAE
from tests.conftest import make_definition
from tests.processes import context as context
from tests.waiting import HANG_SECONDS, wait_for_end
from tests.waiting import wait_until as wait_until

HEARTBEAT_SECONDS = 1.0
GRACE_SECONDS = 3 * HEARTBEAT_SECONDS
"""So short that the drills need not wait long for a death to be noticed. On a busy machine it makes a living worker
look dead now and then: a drill that counts attempts takes a longer heartbeat, or counts only what must be so."""

COUNTING_HEARTBEAT_SECONDS = 5.0
"""For drills that count attempts and have workers that die: a living one would have to be silent for 15 s."""

UNHURRIED_HEARTBEAT_SECONDS = 60.0
"""With this one no living worker ever looks dead, and no dead one is noticed within a test."""


def drill_definition(trials: int, **overrides: Any) -> StudyDefinition:
    """Trials of a few hundredths of a second."""
    return make_definition(budget={"trials": trials}, data={
        "dataset": "digits", "training_images": 64, "validation_images": 8,
    }, search_space={"learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}, "batch_size": 16},
        **overrides)  # fmt: skip


def work(
    url: str,
    spool: str,
    seconds_per_trial: float = 0.0,
    clock_off: float = 0.0,
    no_disk: bool = False,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
    most_attempts: int | None = None,
) -> None:
    """What a worker process does.

    `seconds_per_trial` makes its trials longer, `clock_off` sets its clock wrong, `most_attempts` changes how often a
    trial may lose its worker.
    """
    import torch

    from stability_sweep.targets.images.images import load_images
    from stability_sweep.targets.rhvae import trainable
    from stability_sweep.workers import StopRequest, Worker, holds

    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    os.environ.update({HEARTBEAT_VARIABLE: str(heartbeat_seconds), SPOOL_VARIABLE: spool})
    if no_disk:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    if most_attempts is not None:
        holds.MOST_ATTEMPTS = most_attempts
    if clock_off:
        real_time = time.time
        time.time = lambda: real_time() + clock_off
    if seconds_per_trial:
        train = trainable.train

        def slow_train(*arguments: Any, **options: Any) -> Any:
            run = train(*arguments, **options)
            time.sleep(seconds_per_trial)
            return run

        trainable.train = slow_train
    while True:
        try:
            repository = Repository(Database.open(url))
            break
        except OutageError:  # the supervisor of real workers starts them again
            time.sleep(0.5)
    study = repository.get_study("small")
    images = load_images(study.effective_definition.settings["data"], None, torch.device("cpu"))
    stop = StopRequest()
    with stop.on_signals():
        Worker(repository, study, PreparedRHVAE(images), stop).run()
    repository.database.close()


class Crew:
    """Some worker processes of one study; those that are killed are replaced."""

    def __init__(self, url: str, spool: str, **options: Any) -> None:
        self._arguments = (url, spool)
        self._options = options
        self._context = context()
        self.processes: list[ForkServerProcess] = []

    def start(self, count: int, **options: Any) -> None:
        for _ in range(count):
            process = self._context.Process(target=work, args=self._arguments, kwargs={**self._options, **options})
            process.start()
            self.processes.append(process)

    def kill_one(self, generator: random.Random) -> bool:
        """kill -9 one of those that live, and start another; false if none lives."""
        alive = [process for process in self.processes if process.is_alive()]
        if not alive:
            return False
        victim = generator.choice(alive)
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
        self.start(1)
        return True

    def wait(self, seconds: float = HANG_SECONDS) -> None:
        """Until all have ended; a test that would never end gives up after so long."""
        wait_for_end(*self.processes, seconds=seconds)

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.join()


def check_nothing_lost_and_nothing_twice(repository: Repository, budget: int) -> Counter[int]:
    """Exactly the budget's outcomes, none running, every pair of point and seed once; returns attempts by count."""
    study = repository.get_study("small")
    results = repository.results(study)
    numbers = {stored.number for stored in results}
    every = repository.database.optuna_storage.get_all_trials(study.study_id)
    # One that was created while its creator had lost the lock is withdrawn: FAIL, and nothing of ours.
    trials = [trial for trial in every if trial.state is not TrialState.FAIL or trial.number in numbers]
    assert len(results) == budget
    assert len(trials) == budget
    assert all(trial.state.is_finished() for trial in trials)
    assert [stored.result.failure for stored in results if stored.result.outcome is Outcome.FAILED] == []
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    pairs = {(tuple(trial.params.items()), stored.result.seed) for trial, stored in zip(trials, results, strict=True)}
    assert len(pairs) == budget
    with repository.database.session() as session:
        rows = session.execute(select(HoldRow.attempts, func.count()).group_by(HoldRow.attempts)).all()
    return Counter({int(attempts): int(count) for attempts, count in rows})
