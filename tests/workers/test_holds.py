"""A worker that holds several trials at a time: none is handed out twice, and none is kept by a worker that stops."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from optuna.trial import TrialState
from sqlalchemy import select, update

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.engine import Progress
from stability_sweep.errors import OutageError, WorkerError
from stability_sweep.results.outcome import TrialResult
from stability_sweep.sampling import build_sampler
from stability_sweep.space.dimensions import Point
from stability_sweep.storage import Database, Repository, StoredStudy
from stability_sweep.storage.optuna_trials import OptunaTrials
from stability_sweep.storage.schema import HoldRow
from stability_sweep.storage.workers import Workers
from stability_sweep.targets.images.images import Images, load_images
from stability_sweep.targets.rhvae import trainable
from stability_sweep.targets.rhvae.trainable import PreparedRHVAE
from stability_sweep.workers import StopRequest, Worker, prepare_study
from stability_sweep.workers.heartbeat import Heartbeat
from stability_sweep.workers.holds import HeldTrial, Holds
from stability_sweep.workers.objective import tell
from stability_sweep.workers.observer import SilentObserver
from stability_sweep.workers.provenance import provenance_here
from tests.conftest import PROVENANCE, make_definition, make_result

CPU = torch.device("cpu")
AT_ONCE = 3


@pytest.fixture(scope="module")
def images() -> Images:
    return load_images(make_definition().settings["data"], None, CPU)


class Watcher(SilentObserver):
    """An observer that acts at the first step of every trial, and at its end."""

    def __init__(
        self,
        on_step: Callable[[int], None] = lambda number: None,
        on_end: Callable[[int], None] = lambda number: None,
    ) -> None:
        self._on_step, self._on_end = on_step, on_end
        self.finished: list[int] = []

    def trial_progressed(self, number: int, point: Point, progress: Progress) -> None:
        if progress.step == 1:
            self._on_step(number)

    def trial_finished(self, number: int, point: Point, result: TrialResult) -> None:
        self.finished.append(number)
        self._on_end(number)


def several(images: Images) -> PreparedRHVAE:
    return PreparedRHVAE(images, trials_at_once=AT_ONCE)


def join(repository: Repository, study: StoredStudy) -> str:
    return Workers(repository.database, study).join(host="host", process_id=1, device="cpu", grace_seconds=600)


def holds_of(repository: Repository, study: StoredStudy, worker_id: str | None = None) -> Holds:
    """What hands out trials to a worker: a new one, or one that has lost its memory."""
    definition = study.effective_definition
    return Holds(
        repository,
        study,
        OptunaTrials.open(repository.database, study.name, build_sampler(definition)),
        worker_id or join(repository, study),
        provenance_here(CPU),
        Heartbeat(lambda: None, 1.0),
        grace_seconds=600.0,
    )


def numbers(held: list[HeldTrial]) -> list[int]:
    return [each.identity.number for each in held]


def identities(held: list[HeldTrial]) -> list[tuple[int, str, int, Point]]:
    return [(one.identity.number, one.identity.trial_uuid, one.identity.attempt, one.point) for one in held]


def states(repository: Repository, study: StoredStudy) -> list[TrialState]:
    return [trial.state for trial in repository.database.optuna_storage.get_all_trials(study.study_id)]


def attempts(repository: Repository) -> list[int]:
    with repository.database.session() as session:
        return list(session.scalars(select(HoldRow.attempts).order_by(HoldRow.trial_id)))


@contextmanager
def broken_at(monkeypatch: pytest.MonkeyPatch, call: int) -> Iterator[None]:
    """An outage at the so manieth trial that is created."""
    create, calls = OptunaTrials.create, iter(range(1, 100))

    def breaks(self: OptunaTrials, *arguments: Any) -> int:
        if next(calls) == call:
            raise OutageError("gone for this test")
        return create(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(OptunaTrials, "create", breaks)
        yield


@pytest.mark.parametrize("sampler", ["qmc", "random", "boundary"])
def test_no_trial_is_handed_out_twice(repository: Repository, sampler: str) -> None:
    study = prepare_study(repository, make_definition(budget={"trials": 8}, sampler={"name": sampler}))
    one, other = holds_of(repository, study), holds_of(repository, study)
    found = [numbers(holds.next_trials(AT_ONCE)) for holds in (one, other, holds_of(repository, study))]
    assert found == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert numbers(holds_of(repository, study).next_trials(AT_ONCE)) == []


def test_workers_that_ask_at_the_same_time_share_the_budget(repository: Repository) -> None:
    study = prepare_study(repository, make_definition(budget={"trials": 20}))
    found: list[list[int]] = []

    def ask() -> None:
        database = Database.open(repository.secret_url)
        own = Repository(database)
        holds = holds_of(own, study)
        while held := holds.next_trials(AT_ONCE):
            found.append(numbers(held))
            for trial, _, identity in held:
                own.save_result(study, identity.trial_id, identity.number, make_result(), PROVENANCE)
                tell(trial.study, trial, make_result())
        database.close()

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(number for each in found for number in each) == list(range(20))


def test_after_an_outage_a_worker_gets_the_same_trials_again(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = prepare_study(repository, make_definition(budget={"trials": 8}))
    worker_id = join(repository, study)
    holds = holds_of(repository, study, worker_id)
    with broken_at(monkeypatch, 3), pytest.raises(OutageError):
        holds.next_trials(AT_ONCE)
    assert len(states(repository, study)) == 2
    found = holds.next_trials(AT_ONCE)
    assert numbers(found) == [0, 1, 2]
    # Nor does a worker that has lost its memory get others.
    assert identities(holds_of(repository, study, worker_id).next_trials(AT_ONCE)) == identities(found)
    assert (len(states(repository, study)), attempts(repository)) == (3, [1, 1, 1])


def test_what_a_worker_holds_comes_before_what_waits(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    study = prepare_study(repository, make_definition(budget={"trials": 8}))
    other, worker = holds_of(repository, study), holds_of(repository, study)
    (first,) = other.next_trials(1)
    with broken_at(monkeypatch, 3), pytest.raises(OutageError):
        worker.next_trials(AT_ONCE)
    other.give_back(first.identity.trial_id)
    assert numbers(worker.next_trials(2)) == [1, 2]
    assert numbers(other.next_trials(1)) == [0]


@pytest.mark.parametrize("sampler", ["qmc", "boundary"])
def test_the_repeats_of_a_point_are_held_together(repository: Repository, sampler: str) -> None:
    budget = {"trials": 6, "repeats": 3}
    study = prepare_study(repository, make_definition(budget=budget, sampler={"name": sampler}))
    held = holds_of(repository, study).next_trials(4)
    assert numbers(held) == [0, 1, 2, 3]
    assert held[0].point == held[1].point == held[2].point != held[3].point


def work(repository: Repository, study: StoredStudy, images: Images, stop: StopRequest, watcher: Watcher) -> None:
    Worker(repository, study, several(images), stop, watcher).run()


def long_study(repository: Repository) -> StoredStudy:
    return prepare_study(repository, make_definition(budget={"trials": 4}, training={"horizon_steps": 10**6}))


def test_a_stopped_worker_gives_back_every_trial_that_it_holds(repository: Repository, images: Images) -> None:
    study, stop = long_study(repository), StopRequest()
    seen: list[list[int]] = []

    def interrupt(number: int) -> None:
        seen.extend(worker.trials for worker in Workers(repository.database, study).present())
        stop.interrupted = True

    work(repository, study, images, stop, Watcher(on_step=interrupt))
    assert seen == [[0, 1, 2]]
    assert states(repository, study) == [TrialState.WAITING] * AT_ONCE
    assert attempts(repository) == [0, 0, 0]  # none of them counts as an attempt
    points = [one.params for one in repository.database.optuna_storage.get_all_trials(study.study_id)]
    again = holds_of(repository, study).next_trials(AT_ONCE)
    assert [one.trial.params for one in again] == points


def test_a_stop_between_two_trials_gives_back_those_that_were_not_begun(repository: Repository, images: Images) -> None:
    study, stop = prepare_study(repository, make_definition(budget={"trials": 4})), StopRequest()

    def interrupt(number: int) -> None:
        stop.interrupted = True

    watcher = Watcher(on_end=interrupt)
    work(repository, study, images, stop, watcher)
    assert watcher.finished == [0]
    assert states(repository, study)[1:] == [TrialState.WAITING] * 2
    assert repository.telemetry(repository.trial(study, 1).trial_id) is None
    assert attempts(repository) == [1, 0, 0]


def test_a_worker_that_gives_up_gives_back_what_it_holds(
    repository: Repository, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*arguments: Any, **options: Any) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(trainable, "train", no_memory)
    study = prepare_study(repository, make_definition(budget={"trials": 8}))
    with pytest.raises(WorkerError, match="3 trials in a row failed"):
        Worker(repository, study, PreparedRHVAE(images, trials_at_once=5), StopRequest()).run()
    assert states(repository, study) == [TrialState.FAIL] * 3 + [TrialState.WAITING] * 2


def test_a_trial_that_another_worker_took_meanwhile_is_not_trained(repository: Repository, images: Images) -> None:
    study = prepare_study(repository, make_definition(budget={"trials": 3}))
    other = join(repository, study)

    def take(number: int) -> None:
        if number == 0:  # as if this worker had been silent for so long that it was taken for dead
            with repository.database.session() as session:
                taken = repository.trial(study, 1).trial_id
                session.execute(update(HoldRow).where(HoldRow.trial_id == taken).values(worker_id=other))
        else:
            Workers(repository.database, study).leave(other)

    watcher = Watcher(on_end=take)
    work(repository, study, images, StopRequest(), watcher)
    assert watcher.finished == [0, 2, 1]  # and once that worker has left, it is run again
    assert attempts(repository) == [1, 2, 1]


def test_a_worker_of_several_trials_leaves_the_study_of_a_worker_of_one(repository: Repository, images: Images) -> None:
    def outcome_of(definition: StudyDefinition, prepared: PreparedRHVAE) -> list[tuple[int, str]]:
        study = prepare_study(repository, definition)
        Worker(repository, study, prepared, StopRequest()).run()
        return [(one.number, repr(one.result.final_loss)) for one in repository.results(study)]

    one = outcome_of(make_definition(name="one", sampler={"name": "qmc"}), PreparedRHVAE(images))
    assert outcome_of(make_definition(name="many", sampler={"name": "qmc"}), several(images)) == one
