from __future__ import annotations

import pytest

from stability_sweep.errors import StudyError
from stability_sweep.storage import Repository
from stability_sweep.sweep import prepare_study
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


def test_another_definition_is_refused_and_the_difference_is_shown(repository: Repository) -> None:
    prepare_study(repository, make_definition())
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
