"""What the trials of a design are born with: the sampler's point, and the remedies of their run."""

from __future__ import annotations

from typing import Any

import pytest

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.errors import DefinitionError
from stability_sweep.sampling import planned_params, planned_trial
from stability_sweep.sampling.enqueued import EnqueuedPointError, completed_params
from stability_sweep.sampling.kinds import QMC
from tests.conftest import make_definition

POINT: dict[str, Any] = {
    "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
    "batch_size": [16, 64],
    "model.hamiltonian_gradient_cap": {"low": 0.1, "high": 10.0, "log": True, "off_share": 0.3},
}
REMEDIES: dict[str, Any] = {"clip_norm": ["off", 1.0], "training.warmup_steps": [0, 4]}
RUNS: list[dict[str, Any]] = [
    {"clip_norm": "off", "training.warmup_steps": 0},
    {"clip_norm": 1.0, "training.warmup_steps": 0},
    {"clip_norm": "off", "training.warmup_steps": 4},
]


def paired(sampler: str = "qmc", **overrides: Any) -> StudyDefinition:
    settings: dict[str, Any] = {"search_space": {**REMEDIES, **POINT}, "budget": {"trials": 12}}
    return make_definition(**{"sampler": {"name": sampler}, "design": {"paired": True}, **settings, **overrides})


def plan(definition: StudyDefinition, count: int) -> list[dict[str, Any]]:
    found = [planned_params(definition, number) for number in range(count)]
    return [params for params in found if params is not None]


@pytest.mark.parametrize("sampler", ["qmc", "random"])
def test_the_trials_of_a_block_have_one_point_and_the_remedies_of_their_runs(sampler: str) -> None:
    trials = plan(paired(sampler), 12)
    for number, params in enumerate(trials):
        first = trials[number - number % 3]
        assert {name: params[name] for name in POINT} == {name: first[name] for name in POINT}
        assert {name: params[name] for name in REMEDIES} == RUNS[number % 3]
    assert len({params["learning_rate"] for params in trials}) == 4


def test_the_sequence_of_points_has_the_dimensions_of_the_point_alone() -> None:
    alone = make_definition(search_space={**POINT, "clip_norm": "off"}, sampler={"name": "qmc"})
    for block in range(4):
        params = planned_params(alone, block)
        assert params is not None
        assert plan(paired(), 12)[3 * block] == {**RUNS[0], **{name: params[name] for name in POINT}}


def test_repeated_blocks_have_one_point() -> None:
    once, twice = plan(paired(), 6), plan(paired(budget={"trials": 12, "repeats": 2}), 12)
    assert twice == [*once[:3], *once[:3], *once[3:], *once[3:]]


def test_a_fraction_without_pairs_has_another_point_in_every_trial() -> None:
    definition = paired(design={"arrangement": "fractional"})
    trials = plan(definition, 8)
    assert len({params["learning_rate"] for params in trials}) == 8
    remedies = [{name: params[name] for name in REMEDIES} for params in trials]
    assert remedies[:4] == remedies[4:]
    assert remedies[:2] == [RUNS[0], {"clip_norm": 1.0, "training.warmup_steps": 4}]


def test_a_study_of_remedies_alone_is_planned_too() -> None:
    definition = paired(search_space={**REMEDIES, "learning_rate": 1e-3, "batch_size": 16})
    assert plan(definition, 3) == [{**run, "learning_rate": 1e-3, "batch_size": 16} for run in RUNS]


def test_a_planned_trial_is_one_of_the_study() -> None:
    definition = paired()
    for number in range(12):
        trial = planned_trial(definition, number)
        assert trial is not None
        definition.at(definition.space.point_of(trial.params))


def test_what_is_not_enqueued_is_completed_by_the_run_of_the_number() -> None:
    definition = paired()
    planned = plan(definition, 6)
    assert completed_params(definition, 4, {}) == planned[4]
    assert completed_params(definition, 4, {"learning_rate": 1e-3}) == {**planned[4], "learning_rate": 1e-3}
    assert completed_params(definition, 4, {"clip_norm": "off"})["clip_norm"] == "off"
    with pytest.raises(EnqueuedPointError, match=r"clip_norm = 3\.0, which this study does not search"):
        completed_params(definition, 4, {"clip_norm": 3.0})


def test_a_sampler_that_plans_nothing_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of another package may say that it does not look at results, and still plan nothing."""
    monkeypatch.setattr(type(QMC), "planned_params", lambda self, definition, index: None)
    with pytest.raises(DefinitionError, match="a design needs a sampler that plans its points: 'qmc' does not"):
        planned_params(paired(), 0)
