"""Results reach the trial that they were measured for, or none: names, paths and numbers are given away again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
import torch
from optuna.trial import TrialState
from sqlalchemy import text

from stability_sweep.engine import Progress
from stability_sweep.engine.seeds import trial_seed
from stability_sweep.environment import SPOOL_VARIABLE
from stability_sweep.errors import AnotherDatabaseError, ForeignResultError, StudyError
from stability_sweep.results.outcome import Outcome
from stability_sweep.storage import Database, Repository, StoredStudy
from stability_sweep.storage.optuna_trials import OptunaTrials
from stability_sweep.targets.images.images import Images, load_images
from stability_sweep.targets.rhvae.trainable import PreparedRHVAE
from stability_sweep.workers import StopRequest, Worker, prepare_study
from stability_sweep.workers.spool import Spool, SpooledResult
from tests.conftest import PROVENANCE, make_definition, make_result, plain_optuna_storage
from tests.workers.test_worker import Recorder


@pytest.fixture(scope="module")
def images() -> Images:
    return load_images(make_definition().settings["data"], None, torch.device("cpu"))


@pytest.fixture
def anywhere(storage_url: str) -> Iterator[Repository]:
    database = Database.open(storage_url, create=True)
    yield Repository(database)
    database.close()


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "spool"
    monkeypatch.setenv(SPOOL_VARIABLE, str(folder))
    return folder


def run(repository: Repository, study: StoredStudy, images: Images, on_step: Callable[[Progress], None] | None = None
        ) -> Recorder:  # fmt: skip
    recorder = Recorder(on_step or (lambda progress: None))
    Worker(repository, study, PreparedRHVAE(images), StopRequest(), recorder).run()
    return recorder


def delete_by_optuna(repository: Repository, name: str) -> None:
    """As `optuna delete-study` does, without any setting of ours."""
    with plain_optuna_storage(repository.database.url) as storage:
        optuna.delete_study(study_name=name, storage=storage)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.json"))


def test_the_results_of_a_deleted_study_are_not_taken_over_by_another(anywhere: Repository, images: Images) -> None:
    alpha = prepare_study(anywhere, make_definition(name="alpha", budget={"trials": 3}))
    run(anywhere, alpha, images)
    beta = prepare_study(anywhere, make_definition(name="beta", seed=8, budget={"trials": 3}))
    run(anywhere, beta, images)
    delete_by_optuna(anywhere, "beta")
    alpha = prepare_study(anywhere, make_definition(name="alpha", budget={"trials": 6}), trials=6)
    run(anywhere, alpha, images)
    stored = anywhere.results(alpha)
    assert [s.number for s in stored] == list(range(6))
    assert [s.result.seed for s in stored] == [trial_seed(7, number) for number in range(6)]
    assert anywhere.summary(alpha).finished == 6


def test_rows_that_lost_their_trial_are_no_results_of_the_next_one_with_its_id(
    repository: Repository, images: Images
) -> None:
    """Where Optuna rebuilt its tables, SQLite has no trigger of ours: then the next worker tidies up."""
    alpha = prepare_study(repository, make_definition(name="alpha", budget={"trials": 2}))
    run(repository, alpha, images)
    beta = prepare_study(repository, make_definition(name="beta", seed=8, budget={"trials": 2}))
    run(repository, beta, images)
    with repository.database.engine.begin() as connection:
        for owner in ("trials", "studies"):
            connection.execute(text(f"DROP TRIGGER stability_forget_{owner}"))
    delete_by_optuna(repository, "beta")
    alpha = prepare_study(repository, make_definition(name="alpha"), trials=4)
    assert repository.summary(alpha).finished == 2
    run(repository, alpha, images)
    assert [s.result.seed for s in repository.results(alpha)] == [trial_seed(7, number) for number in range(4)]


def entry_of(repository: Repository, study: StoredStudy, images: Images, folder: Path) -> SpooledResult:
    """A result as a worker keeps it: run until the store is refused, then read what was kept."""
    original = repository.save_result

    def refuse(*arguments: object, **options: object) -> None:
        raise ForeignResultError("refused for this test")

    repository.save_result = refuse  # type: ignore[method-assign]
    stop = StopRequest()
    worker = Worker(repository, study, PreparedRHVAE(images), stop, Recorder())
    worker._open_trials = lambda: stop_now(stop, worker)  # type: ignore[method-assign]
    worker.run()
    repository.save_result = original  # type: ignore[method-assign]
    (path,) = (folder / "aside").rglob("*.json")
    entry = SpooledResult.model_validate_json(path.read_bytes())
    path.unlink()
    return entry


def stop_now(stop: StopRequest, worker: Worker) -> OptunaTrials:
    stop.interrupted = True
    return worker._trials


def test_a_kept_result_reaches_its_own_trial(anywhere: Repository, images: Images, spool: Path) -> None:
    study = prepare_study(anywhere, make_definition(budget={"trials": 1}))
    entry = entry_of(anywhere, study, images, spool)
    Spool(anywhere.database).keep(entry)
    (kept,) = spool.rglob("*.json")
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert run(anywhere, study, images).finished == []  # nothing was left to train
    (stored,) = anywhere.results(study)
    assert stored.result == entry.result
    assert files(spool) == []


def test_a_kept_result_of_a_deleted_study_is_put_aside(
    anywhere: Repository, images: Images, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    study = prepare_study(anywhere, make_definition(budget={"trials": 1}))
    entry = entry_of(anywhere, study, images, spool)
    Spool(anywhere.database).keep(entry)
    delete_by_optuna(anywhere, "small")
    again = prepare_study(anywhere, make_definition(budget={"trials": 1}))
    run(anywhere, again, images)
    assert len(anywhere.results(again)) == 1
    assert len(files(spool)) == 1  # it waits under the old study's identity, and is nobody else's


@pytest.mark.parametrize("changed", ["trial_uuid", "params"])
def test_a_result_measured_for_another_trial_of_that_number_is_put_aside(
    anywhere: Repository, images: Images, spool: Path, caplog: pytest.LogCaptureFixture, changed: str
) -> None:
    study = prepare_study(anywhere, make_definition(budget={"trials": 1}))
    entry = entry_of(anywhere, study, images, spool)
    other = {"trial_uuid": "another"} if changed == "trial_uuid" else {"params": {**entry.identity.params, "x": 1.0}}
    from dataclasses import replace

    Spool(anywhere.database).keep(entry.model_copy(update={"identity": replace(entry.identity, **other)}))
    run(anywhere, study, images)
    assert len(anywhere.results(study)) == 1
    assert "it was not stored there, and is kept in" in caplog.text
    assert [path.split("/")[0] for path in files(spool)] == ["aside"]


def test_a_kept_result_is_not_delivered_to_a_copy_of_its_database(
    images: Images, spool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for project in ("a", "b"):
        (tmp_path / project).mkdir()
    monkeypatch.chdir(tmp_path / "a")
    database = Database.open("sqlite:///stability-sweep.db", create=True)
    repository = Repository(database)
    study = prepare_study(repository, make_definition(budget={"trials": 1}))
    entry = entry_of(repository, study, images, spool)
    Spool(database).keep(entry)
    database.close()
    shutil.copy(tmp_path / "a" / "stability-sweep.db", tmp_path / "b")
    monkeypatch.chdir(tmp_path / "b")
    copy = Database.open("sqlite:///stability-sweep.db")
    assert list(Spool(copy).entries(study)) == []
    copy.close()
    fresh = Database.open("sqlite:///other.db", create=True)
    prepare_study(Repository(fresh), make_definition(budget={"trials": 1}))
    assert fresh.database_id != entry.identity.database_id
    fresh.close()
    (tmp_path / "a" / "stability-sweep.db").unlink()  # so it was moved, not copied
    moved = Database.open("sqlite:///stability-sweep.db")
    assert [found.result for found in Spool(moved).entries(study)] == [entry.result]
    moved.close()


def test_a_study_deleted_under_a_worker_ends_it_in_one_line_and_loses_no_result(
    anywhere: Repository, images: Images, spool: Path
) -> None:
    study = prepare_study(anywhere, make_definition(budget={"trials": 3}))
    deleted: list[bool] = []

    def delete(progress: Progress) -> None:
        if not deleted:
            deleted.append(True)
            delete_by_optuna(anywhere, "small")

    with pytest.raises(StudyError, match="study 'small'") as caught:
        run(anywhere, study, images, delete)
    assert "\n" not in str(caught.value)
    assert [path.split("/")[0] for path in files(spool)] == ["aside"]
    assert anywhere.database.optuna_storage.get_all_studies() == []


def test_a_trial_deleted_under_a_worker_is_run_again(anywhere: Repository, images: Images, spool: Path) -> None:
    """As after a restored backup from the time before that trial was begun."""
    study = prepare_study(anywhere, make_definition(budget={"trials": 2}))
    deleted: list[bool] = []

    def delete(progress: Progress) -> None:
        if not deleted:
            deleted.append(True)
            with anywhere.database.engine.begin() as connection:
                for table in ("trial_params", "trial_user_attributes", "trial_system_attributes",
                              "trial_intermediate_values", "stability_claims", "trials"):  # fmt: skip
                    connection.execute(text(f"DELETE FROM {table}"))
                connection.execute(text("DELETE FROM stability_workers"))

    run(anywhere, study, images, delete)
    trials = anywhere.database.optuna_storage.get_all_trials(study.study_id)
    assert [s.number for s in anywhere.results(study)] == [0, 1]
    assert all(trial.state.is_finished() for trial in trials)
    assert [path.split("/")[0] for path in files(spool)] == ["aside"]


def test_a_database_made_anew_under_a_worker_takes_nothing_of_the_old_one(
    tmp_path: Path, images: Images, spool: Path
) -> None:
    path = tmp_path / "study.db"
    database = Database.open(f"sqlite:///{path}", create=True)
    repository = Repository(database)
    study = prepare_study(repository, make_definition(budget={"trials": 2}))
    replaced: list[bool] = []

    def replace(progress: Progress) -> None:
        if not replaced:
            replaced.append(True)
            for file in tmp_path.glob("study.db*"):
                file.unlink()
            other = Database.open(f"sqlite:///{path}", create=True)
            prepare_study(Repository(other), make_definition(budget={"trials": 2}, seed=8))
            other.close()

    with pytest.raises(AnotherDatabaseError, match="another database has taken the place"):
        run(repository, study, images, replace)
    database.close()
    again = Database.open(f"sqlite:///{path}")
    assert Repository(again).results(Repository(again).get_study("small")) == []
    again.close()
    assert len(files(spool)) == 1


def test_what_optuna_enqueues_simply_runs(anywhere: Repository, images: Images) -> None:
    definition = make_definition(budget={"trials": 6}, sampler={"name": "qmc"})
    study = prepare_study(anywhere, definition)
    with plain_optuna_storage(anywhere.database.url) as storage:
        plain = optuna.load_study(study_name="small", storage=storage)
        plain.enqueue_trial({"learning_rate": 1e-4, "batch_size": 64, "clip_norm": 10.0})
        plain.enqueue_trial({"learning_rate": 2e-4})
        plain.enqueue_trial({"clip_norm": "off"})
        plain.enqueue_trial({"learning_rate": 5.0})
        plain.enqueue_trial({"lr": 1e-4})
    finished = {number: (point, result) for number, point, result in run(anywhere, study, images).finished}
    assert finished[0][0] == {"learning_rate": 1e-4, "batch_size": 64, "clip_norm": 10.0}
    assert finished[1][0]["learning_rate"] == 2e-4
    assert finished[2][0]["clip_norm"] == float("inf")
    stored = {s.number: s.result for s in anywhere.results(study)}
    assert sorted(stored) == list(range(6))
    assert stored[3].failure == "it was enqueued with learning_rate = 5.0, which this study does not search"
    assert stored[4].failure is not None
    assert "this study searches learning_rate, batch_size, clip_norm" in stored[4].failure
    assert {s.outcome for number, s in stored.items() if number not in (3, 4)}.isdisjoint({Outcome.FAILED})
    states = [trial.state for trial in anywhere.database.optuna_storage.get_all_trials(study.study_id)]
    assert TrialState.RUNNING not in states


def test_a_study_that_was_renamed_in_its_database_keeps_everything(anywhere: Repository, images: Images) -> None:
    study = prepare_study(anywhere, make_definition(budget={"trials": 2}))
    run(anywhere, study, images)
    with anywhere.database.engine.begin() as connection:
        connection.execute(text("UPDATE studies SET study_name = 'renamed'"))
    assert anywhere.study_names() == ["renamed"]
    renamed = anywhere.get_study("renamed")
    assert anywhere.summary(renamed).finished == 2
    longer = prepare_study(anywhere, make_definition(name="renamed", budget={"trials": 3}))
    assert longer.study_uuid == study.study_uuid
    run(anywhere, longer, images)
    assert [s.number for s in anywhere.results(longer)] == [0, 1, 2]


@pytest.mark.parametrize("original_stays", [True, False])
def test_a_copy_by_optuna_is_told_for_what_it_is_and_can_be_adopted(
    anywhere: Repository, images: Images, original_stays: bool
) -> None:
    study = prepare_study(anywhere, make_definition(budget={"trials": 2}))
    run(anywhere, study, images)
    before = anywhere.results(study)
    with plain_optuna_storage(anywhere.database.url) as storage:
        optuna.copy_study(from_study_name="small", from_storage=storage, to_storage=storage, to_study_name="copy")
    if not original_stays:
        delete_by_optuna(anywhere, "small")  # together that is what the dashboard calls renaming
    with pytest.raises(StudyError, match="is a copy of our study 'small' that another program made") as caught:
        anywhere.get_study("copy")
    assert "stability-sweep db adopt copy" in str(caught.value)
    assert ("or use 'small'" in str(caught.value)) is original_stays
    assert list(anywhere.foreign_copies()) == ["copy"]
    adopted = anywhere.adopt("copy")
    after = anywhere.results(adopted)
    assert [(s.number, repr(s.result), s.provenance) for s in after] == [
        (s.number, repr(s.result), s.provenance) for s in before
    ]
    assert (anywhere.telemetry(after[0].trial_id) is not None) is original_stays
    assert anywhere.foreign_copies() == {}
    with pytest.raises(StudyError, match="nothing to adopt"):
        anywhere.adopt("copy")


def test_a_result_for_a_trial_that_is_not_there_is_refused(anywhere: Repository) -> None:
    study = anywhere.create_study(make_definition(), "digits")
    with pytest.raises(ForeignResultError, match="it was deleted, or an older database was restored"):
        anywhere.save_result(study, 99, 0, make_result(), PROVENANCE)


def test_a_result_that_another_worker_tells_in_the_same_moment_is_told_once(
    repository: Repository, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stability_sweep.workers.objective import tell

    study = prepare_study(repository, make_definition(budget={"trials": 1}))
    run(repository, study, images)
    (stored,) = repository.results(study)
    plain = optuna.load_study(study_name="small", storage=repository.database.optuna_storage)
    finished = plain.trials[0]
    unfinished = optuna.trial.create_trial(state=TrialState.RUNNING)
    unfinished._trial_id = finished._trial_id
    monkeypatch.setattr(plain._storage, "get_trial", lambda trial_id: unfinished)  # the other one was a moment later
    tell(plain, finished._trial_id, stored.result, stored.provenance)
    monkeypatch.undo()
    assert plain.trials[0].values == finished.values
