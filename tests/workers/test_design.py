"""Paired studies that are really run: whatever happens to workers, the trials of a block share seed and point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import TrialState

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.engine.seeds import trial_seed
from stability_sweep.errors import StudyError
from stability_sweep.space.dimensions import Point
from stability_sweep.storage import Repository, StoredStudy
from stability_sweep.storage.workers import Workers
from stability_sweep.targets.images.images import Images, load_images
from stability_sweep.targets.rhvae.trainable import PreparedRHVAE
from stability_sweep.workers import StopRequest, Worker, launch_workers, prepare_study
from stability_sweep.workers.launch.command import WorkerOptions
from stability_sweep.workers.replay import replay
from tests.conftest import make_definition, plain_optuna_storage
from tests.waiting import wait_for_end
from tests.workers.faults import Crew, check_nothing_lost_and_nothing_twice, drill_definition, wait_until
from tests.workers.test_worker import Recorder

REMEDIES: list[Point] = [
    {"clip_norm": float("inf"), "training.warmup_steps": 0},
    {"clip_norm": 1.0, "training.warmup_steps": 0},
    {"clip_norm": float("inf"), "training.warmup_steps": 3},
]
"""The runs of a block."""

SPACE: dict[str, Any] = {
    "learning_rate": {"low": 1e-5, "high": 1e-3, "log": True},
    "batch_size": [16, 32],
    "clip_norm": [1.0, "off"],
    "training.warmup_steps": [0, 3],
}


def paired(trials: int, **overrides: Any) -> StudyDefinition:
    settings: dict[str, Any] = {"search_space": SPACE, "sampler": {"name": "qmc"}, "budget": {"trials": trials}}
    return make_definition(**{**settings, "design": {"paired": True}, **overrides})


@pytest.fixture(scope="module")
def images() -> Images:
    return load_images(make_definition().settings["data"], None, torch.device("cpu"))


def run(repository: Repository, study: StoredStudy, images: Images) -> dict[int, tuple[Point, int]]:
    """Point and seed of every trial that one worker ran, by number."""
    recorder = Recorder()
    Worker(repository, study, PreparedRHVAE(images), StopRequest(), recorder).run()
    return {number: (point, result.seed) for number, point, result in recorder.finished}


def check_blocks(repository: Repository, study: StoredStudy, trials: int) -> None:
    """All trials have an outcome; within a block they differ by their remedies alone, and blocks have other seeds."""
    stored = {one.number: one.result.seed for one in repository.results(study)}
    assert sorted(stored) == list(range(trials))
    points = {number: repository.trial(study, number).point for number in stored}
    for number, point in points.items():
        first = number - number % 3
        assert stored[number] == stored[first] == trial_seed(study.definition.seed, number // 3)
        assert point == {**points[first], **REMEDIES[number % 3]}
    assert len({points[first]["learning_rate"] for first in range(0, trials, 3)}) == len(range(0, trials, 3))


def test_two_processes_leave_blocks_of_one_seed_and_one_point(repository: Repository) -> None:
    study = prepare_study(repository, paired(13))  # the last block is incomplete
    launch_workers(2, repository, study, StopRequest(), Recorder(), options=WorkerOptions(threads=1))
    check_blocks(repository, study, 13)


@pytest.mark.slow
def test_a_trial_whose_worker_was_killed_keeps_its_pair(repository: Repository, tmp_path: Path) -> None:
    definition = paired(6, data=drill_definition(6).settings["data"])
    study = prepare_study(repository, definition)
    crew = Crew(str(repository.secret_url), str(tmp_path / "spool"), seconds_per_trial=3600.0)
    try:
        crew.start(1)
        workers = Workers(repository.database, study)
        wait_until(lambda: any(worker.trials == [0] for worker in workers.present()), "a worker at work")
        crew.processes[0].kill()
        crew.start(1, seconds_per_trial=0.0)
        wait_for_end(crew.processes[1])
    finally:
        crew.end()
    assert check_nothing_lost_and_nothing_twice(repository, 6) == {1: 5, 2: 1}
    check_blocks(repository, study, 6)


def test_a_study_that_grows_goes_on_in_the_middle_of_a_block(repository: Repository, images: Images) -> None:
    run(repository, prepare_study(repository, paired(4)), images)
    longer = prepare_study(repository, paired(9))
    run(repository, longer, images)
    check_blocks(repository, longer, 9)


def test_what_is_enqueued_is_completed_by_its_run_and_has_the_seed_of_its_block(
    repository: Repository, images: Images
) -> None:
    study = prepare_study(repository, paired(6))
    with plain_optuna_storage(repository.database.url) as storage:
        plain = optuna.load_study(study_name="small", storage=storage)
        plain.enqueue_trial({})
        plain.enqueue_trial({"learning_rate": 2e-4})
        plain.enqueue_trial({"learning_rate": 1e-4, "batch_size": 32, "clip_norm": "off", "training.warmup_steps": 3})
        plain.add_trial(optuna.trial.create_trial(state=TrialState.WAITING))  # nobody says with which point
    found = run(repository, study, images)
    assert [seed for _, seed in found.values()] == [trial_seed(7, number // 3) for number in range(6)]
    base = found[0][0]
    assert base == {**base, **REMEDIES[0]}
    assert found[1][0] == {**base, **REMEDIES[1], "learning_rate": 2e-4}
    assert found[2][0] == {"learning_rate": 1e-4, "batch_size": 32, **REMEDIES[2]}
    assert found[4][0] == {**found[3][0], **REMEDIES[1]}
    assert found[5][0] == {**found[3][0], **REMEDIES[2]}


def test_a_replay_of_a_paired_trial_has_the_same_bits(repository: Repository, images: Images) -> None:
    study = prepare_study(repository, paired(3))
    run(repository, study, images)
    trial = repository.trial(study, 2)
    done = replay(study, trial, repository.telemetry(trial.trial_id), PreparedRHVAE(images))
    assert done.same_bits


def test_a_remedy_that_cannot_act_gives_the_very_numbers_of_its_twin(repository: Repository, images: Images) -> None:
    """Clipping at a norm that no gradient has changes nothing; with another seed every loss would differ."""
    study = prepare_study(repository, paired(4, search_space={**SPACE, "clip_norm": [1e9, "off"]}))
    run(repository, study, images)
    losses = {one.number: one.result.final_loss for one in repository.results(study)}
    assert losses[1] == losses[0] != losses[3]


def test_a_budget_of_less_than_a_block_is_refused_before_anything_is_stored(repository: Repository) -> None:
    with pytest.raises(StudyError, match=r"one block of this design takes 3 trials .*, got budget.trials = 2"):
        prepare_study(repository, paired(6), trials=2)
    assert repository.study_names() == []


def test_another_baseline_of_a_remedy_is_another_study_and_one_of_the_point_is_not(
    repository: Repository, images: Images
) -> None:
    run(repository, prepare_study(repository, paired(3)), images)
    revised = prepare_study(repository, paired(3, baseline={"learning_rate": 1e-4}))
    assert revised.definition.space.baseline == {"learning_rate": 1e-4}
    with pytest.raises(StudyError, match=r"baseline.training.warmup_steps: 0 -> 3"):
        prepare_study(repository, paired(3, baseline={"training.warmup_steps": 3}))
