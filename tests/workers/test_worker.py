from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import TrialState

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.engine import Progress
from stability_sweep.engine.seeds import trial_seed
from stability_sweep.errors import WorkerError
from stability_sweep.models import RHVAE
from stability_sweep.results.outcome import Outcome, TrialResult
from stability_sweep.space.dimensions import Point
from stability_sweep.storage import Repository, StoredStudy
from stability_sweep.storage.workers import Workers
from stability_sweep.targets.images.images import Images, load_images
from stability_sweep.targets.rhvae import trainable
from stability_sweep.targets.rhvae.trainable import PreparedRHVAE
from stability_sweep.workers import StopRequest, Worker, prepare_study, progress
from stability_sweep.workers.provenance import provenance_here
from tests.conftest import make_definition


class Recorder:
    """An observer that remembers, and can react to a trial's steps."""

    def __init__(self, on_progress: Callable[[Progress], None] = lambda progress: None) -> None:
        self.finished: list[tuple[int, Point, TrialResult]] = []
        self.on_progress = on_progress

    def trial_progressed(self, number: int, point: Point, progress: Progress) -> None:
        self.on_progress(progress)

    def trial_finished(self, number: int, point: Point, result: TrialResult) -> None:
        self.finished.append((number, point, result))


@pytest.fixture(scope="module")
def images() -> Images:
    return load_images(make_definition().settings["data"], None, torch.device("cpu"))


def work(
    repository: Repository, definition: StudyDefinition, images: Images, *, stop: StopRequest | None = None
) -> tuple[StoredStudy, Recorder]:
    study = prepare_study(repository, definition)
    recorder = Recorder()
    Worker(repository, study, PreparedRHVAE(images), stop or StopRequest(), recorder).run()
    return study, recorder


def optuna_trials(repository: Repository, study: StoredStudy) -> list[optuna.trial.FrozenTrial]:
    return repository.database.optuna_storage.get_all_trials(study.study_id)


def test_a_budget_ends_with_exactly_that_many_outcomes(repository: Repository, images: Images) -> None:
    study, recorder = work(repository, make_definition(), images)
    assert [number for number, _, _ in recorder.finished] == [0, 1, 2, 3]
    assert repository.summary(study).finished == 4
    _, again = work(repository, make_definition(), images)
    assert again.finished == []
    _, more = work(repository, make_definition(budget={"trials": 6}), images)
    assert [number for number, _, _ in more.finished] == [4, 5]


def test_a_diverged_trial_is_pruned_with_a_last_report_that_is_not_finite(
    repository: Repository, images: Images
) -> None:
    definition = make_definition(
        search_space={"learning_rate": 0.1, "batch_size": 16}, model={"latent_dim": 16, "n_lf": 1, "eps_lf": 1e-2}
    )
    study, recorder = work(repository, definition, images)
    assert {result.outcome for _, _, result in recorder.finished} == {Outcome.DIVERGED}
    for trial, (_, _, result) in zip(optuna_trials(repository, study), recorder.finished, strict=True):
        assert trial.state is TrialState.PRUNED
        assert trial.last_step == result.steps
        assert not math.isfinite(trial.intermediate_values[result.steps])
        assert trial.constraints == {"diverged": 1.0}


def test_a_finite_trial_is_complete_with_its_yardstick(repository: Repository, images: Images) -> None:
    study, recorder = work(repository, make_definition(search_space={"learning_rate": 1e-4, "batch_size": 16}), images)
    for trial, (_, _, result) in zip(optuna_trials(repository, study), recorder.finished, strict=True):
        assert trial.state is TrialState.COMPLETE
        assert trial.value == result.yardstick
        assert trial.constraints == {"diverged": 0.0}


def test_seeds_follow_from_the_study_seed_and_the_number(repository: Repository, images: Images) -> None:
    study, recorder = work(repository, make_definition(seed=11), images)
    assert [result.seed for _, _, result in recorder.finished] == [trial_seed(11, number) for number in range(4)]
    assert [stored.result.seed for stored in repository.results(study)] == [trial_seed(11, n) for n in range(4)]


def test_repeats_run_one_point_with_several_seeds(repository: Repository, images: Images) -> None:
    _, recorder = work(repository, make_definition(budget={"trials": 7, "repeats": 3}), images)
    points = [tuple(point.values()) for _, point, _ in sorted(recorder.finished, key=lambda item: item[0])]
    assert len(points) == 7
    assert [len(set(points[start : start + 3])) for start in (0, 3, 6)] == [1, 1, 1]
    assert len(set(points)) == 3
    assert len({result.seed for _, _, result in recorder.finished}) == 7


def test_a_stopped_trial_goes_back_to_the_queue_and_runs_again_with_the_same_point_and_seed(
    repository: Repository, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    definition = make_definition(budget={"trials": 1}, training={"horizon_steps": 30})
    study = prepare_study(repository, definition)
    stop = StopRequest()

    def interrupt(progress: Progress) -> None:
        stop.interrupted = True

    monkeypatch.setattr(progress, "REPORT_INTERVAL_SECONDS", 0.0)
    Worker(repository, study, PreparedRHVAE(images), stop, Recorder(interrupt)).run()
    (waiting,) = optuna_trials(repository, study)
    assert waiting.state is TrialState.WAITING
    assert repository.results(study) == []
    partial = repository.telemetry(waiting._trial_id)
    assert partial is not None
    assert 1 <= len(partial.steps) < 30
    _, recorder = work(repository, definition, images)
    ((number, point, result),) = recorder.finished
    assert (number, result.seed) == (0, trial_seed(7, 0))
    assert point["learning_rate"] == waiting.params["learning_rate"]
    assert len(optuna_trials(repository, study)) == 1
    whole = repository.telemetry(waiting._trial_id)
    assert whole is not None
    assert whole.steps.tolist() == list(range(1, 31))


def test_a_time_limit_ends_the_worker_without_losing_the_trial(repository: Repository, images: Images) -> None:
    definition = make_definition(training={"horizon_steps": 10**6})
    stop = StopRequest(timeout_seconds=0.5)
    study, recorder = work(repository, definition, images, stop=stop)
    assert recorder.finished == []
    assert not stop.interrupted
    assert repository.summary(study).waiting == 1


def test_a_trial_that_raises_is_failed_with_its_reason_and_the_worker_gives_up_after_three(
    repository: Repository, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("out of\nmemory")

    monkeypatch.setattr(trainable, "train", no_memory)
    with pytest.raises(WorkerError, match="3 trials in a row failed, the last one with: RuntimeError: out of memory"):
        work(repository, make_definition(), images)
    study = repository.get_study("small")
    assert repository.summary(study).outcomes["failed"] == 3
    assert {trial.state for trial in optuna_trials(repository, study)} == {TrialState.FAIL}


def test_every_trial_has_telemetry_and_every_diverged_one_an_autopsy(repository: Repository, images: Images) -> None:
    definition = make_definition(
        search_space={"learning_rate": [1e-4, 0.1], "batch_size": 16, "clip_norm": "off"},
        sampler={"name": "grid"},
        budget={"trials": 2},
        model={"latent_dim": 16, "n_lf": 1, "eps_lf": 1e-2},
    )
    study, _ = work(repository, definition, images)
    outcomes = set()
    for stored in repository.results(study):
        outcomes.add(stored.result.outcome)
        telemetry, autopsy = repository.telemetry(stored.trial_id), repository.autopsy(stored.trial_id)
        assert telemetry is not None
        assert telemetry.steps[-1] == stored.result.steps
        assert (autopsy is None) == (stored.result.divergence is None)
        if autopsy is not None:
            assert stored.result.divergence is not None
            assert (autopsy.origin, autopsy.cause) == (stored.result.divergence.origin, stored.result.divergence.cause)
        assert stored.provenance.cpu
    assert Outcome.DIVERGED in outcomes
    assert len(outcomes) == 2


def test_a_trial_that_fails_keeps_the_telemetry_it_has(
    repository: Repository, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(1, 10**6))
    original = RHVAE.forward_pass

    def forward_pass(self: RHVAE, images: torch.Tensor, **kwargs: Any) -> Any:
        if next(calls) == 4:
            raise RuntimeError("out of memory")
        return original(self, images, **kwargs)

    monkeypatch.setattr(RHVAE, "forward_pass", forward_pass)
    definition = make_definition(budget={"trials": 1}, search_space={"learning_rate": 1e-4, "batch_size": 16})
    study, recorder = work(repository, definition, images)
    ((_, _, result),) = recorder.finished
    assert result.outcome is Outcome.FAILED
    telemetry = repository.telemetry(repository.trial(study, 0).trial_id)
    assert telemetry is not None
    assert telemetry.steps.tolist() == [1, 2, 3]


def test_the_database_is_not_asked_at_every_step(
    repository: Repository, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[int] = []
    original = optuna.Trial.report

    def report(self: optuna.Trial, value: float, step: int) -> None:
        reports.append(step)
        original(self, value, step)

    monkeypatch.setattr(optuna.Trial, "report", report)
    definition = make_definition(
        budget={"trials": 1}, search_space={"learning_rate": 1e-4, "batch_size": 16}, training={"horizon_steps": 40}
    )
    work(repository, definition, images)
    assert reports == []  # the interval is longer than the trial, and its end is told by its value
    assert Path(str(repository.database.url.database)).exists()


def test_workers_of_one_host_share_its_cores_from_trial_to_trial(
    repository: Repository, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stability_sweep.workers.worker.allowed_cores", lambda: 4)
    study = prepare_study(repository, make_definition(budget={"trials": 3}))
    workers = Workers(repository.database, study)
    host = provenance_here(torch.device("cpu")).worker.rpartition(":")[0]
    others: list[str] = []

    class Neighbours:
        def trial_progressed(self, *told: object) -> None:
            pass

        def trial_finished(self, number: int, *told: object) -> None:
            if number == 0:
                others.append(workers.join(host=host, process_id=1, device="cpu", grace_seconds=600))
                workers.join(host="elsewhere", process_id=1, device="cpu", grace_seconds=600)
            else:
                workers.leave(others[0])

    before = torch.get_num_threads()
    try:
        Worker(repository, study, PreparedRHVAE(images), StopRequest(), Neighbours(), shares_cores=True).run()
    finally:
        torch.set_num_threads(before)
    assert [stored.provenance.threads for stored in repository.results(study)] == [4, 2, 4]
