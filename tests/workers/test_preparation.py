from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.errors import DataError, StudyError
from stability_sweep.storage import Repository
from stability_sweep.workers import prepare_study
from tests.conftest import make_definition


def test_the_same_definition_resumes(repository: Repository) -> None:
    first = prepare_study(repository, make_definition())
    assert prepare_study(repository, make_definition(description="new words")).study_id == first.study_id


def test_what_is_no_part_of_the_fingerprint_follows_the_file(repository: Repository) -> None:
    prepare_study(repository, make_definition())
    revised = make_definition(
        description="new words",
        budget={"trials": 4, "precision": 0.2, "timeout_seconds": 9},
        claims=[{"says": "batch_size = 16 avoids divergence"}],
    )
    assert prepare_study(repository, revised).definition == revised
    assert repository.get_study("small").definition == revised


def begin_a_trial(repository: Repository) -> None:
    optuna.load_study(study_name="small", storage=repository.database.optuna_storage).ask()


def test_another_definition_is_refused_and_the_difference_is_shown(repository: Repository) -> None:
    prepare_study(repository, make_definition())
    begin_a_trial(repository)
    with pytest.raises(StudyError) as caught:
        prepare_study(repository, make_definition(training={"horizon_steps": 6}))
    assert "exists in sqlite:///" in str(caught.value)
    assert str(caught.value).endswith("Stored -> given:\n  training.horizon_steps: 5 -> 6")


def test_the_budget_grows_with_the_definition_and_obeys_the_command_line(repository: Repository) -> None:
    assert prepare_study(repository, make_definition()).budget_trials == 4
    assert prepare_study(repository, make_definition(budget={"trials": 9})).budget_trials == 9
    assert prepare_study(repository, make_definition()).budget_trials == 9  # never lowered in passing
    assert prepare_study(repository, make_definition(), trials=2).budget_trials == 2


def test_a_budget_beyond_the_grid_is_refused(repository: Repository) -> None:
    definition = make_definition(sampler={"name": "grid", "grid_levels": 2}, budget={"trials": 12})
    with pytest.raises(StudyError, match="'small' is a grid of 12 trials; a budget of 13 is too large"):
        prepare_study(repository, definition, trials=13)


def test_a_study_without_a_trial_gives_way_to_another_definition(
    repository: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    first = prepare_study(repository, make_definition())
    changed = make_definition(training={"horizon_steps": 6}, budget={"trials": 3})
    second = prepare_study(repository, changed)
    assert second.definition == changed
    assert second.budget_trials == 3
    assert second.study_uuid != first.study_uuid  # workers of the old one must not go on with this one
    assert repository.get_study("small") == second
    assert "study 'small' had no trial yet: it takes this definition instead of its old one" in caplog.text
    assert prepare_study(repository, changed) == second


@pytest.mark.parametrize(
    ("definition", "trials"),
    [
        (make_definition(sampler={"name": "grid", "grid_levels": 2}, budget={"trials": 12}), 13),
        (make_definition(data={"dataset": "mnist", "training_images": 200, "validation_images": 50}), None),
    ],
)
def test_what_is_refused_takes_no_name(
    repository: Repository,
    definition: StudyDefinition,
    trials: int | None,
    tmp_path: Path,
) -> None:
    with pytest.raises((StudyError, DataError)):
        prepare_study(repository, definition, trials=trials, data_dir=tmp_path / "no-mnist-here")
    assert repository.study_names() == []
    assert repository.database.optuna_storage.get_all_studies() == []


def test_a_smaller_budget_in_the_file_is_told_and_not_taken(
    repository: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    prepare_study(repository, make_definition(budget={"trials": 9}))
    assert prepare_study(repository, make_definition(budget={"trials": 4})).budget_trials == 9
    assert "keeps its budget of 9 trials, which is larger than the 4 of this definition" in caplog.text
    assert "give --trials 4" in caplog.text
