from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import optuna
import pytest

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.sampling import BoundarySampler, build_sampler, planned_params, planned_trial, suggest_point
from stability_sweep.space.coordinates import Coordinates
from stability_sweep.space.dimensions import Point
from tests.conftest import make_definition

NAMES = ["boundary", "random", "qmc", "tpe", "grid"]
SPACE: dict[str, Any] = {
    "learning_rate": {"low": 1e-6, "high": 1e-1, "log": True},
    "batch_size": [16, 32, 64],
    "clip_norm": {"low": 0.1, "high": 1000.0, "log": True, "off_share": 0.2},
    "training.warmup_steps": {"low": 0, "high": 9},
}


def definition_for(name: str, **overrides: Any) -> StudyDefinition:
    return make_definition(**{"sampler": {"name": name, "grid_levels": 3}, "search_space": SPACE, **overrides})


def sample(definition: StudyDefinition, count: int) -> list[Point]:
    study = optuna.create_study(sampler=build_sampler(definition))
    points = []
    for number in range(count):
        trial = optuna.Trial(study, study._storage.create_new_trial(study._study_id, planned_trial(definition, number)))
        points.append(suggest_point(trial, definition))
        study.tell(trial, points[-1]["learning_rate"])  # type: ignore[arg-type]
    return points


@pytest.mark.parametrize("name", NAMES)
def test_every_point_lies_in_the_search_space(name: str) -> None:
    definition = definition_for(name)
    for point in sample(definition, 40):
        assert 1e-6 <= point["learning_rate"] <= 1e-1  # type: ignore[operator]
        assert point["batch_size"] in (16, 32, 64)
        assert 0.1 <= point["clip_norm"] <= 1000.0 or point["clip_norm"] == math.inf  # type: ignore[operator]
        assert point["training.warmup_steps"] in range(10)
        definition.at(point)


@pytest.mark.parametrize("name", NAMES)
def test_points_are_reproducible_from_the_seed(name: str) -> None:
    assert sample(definition_for(name), 12) == sample(definition_for(name), 12)


@pytest.mark.parametrize("name", ["boundary", "random", "qmc", "tpe"])
def test_another_seed_gives_other_points(name: str) -> None:
    assert sample(definition_for(name), 5) != sample(definition_for(name, seed=8), 5)


def test_two_workers_with_one_seed_do_not_repeat_each_other() -> None:
    definition = definition_for("tpe")
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(study_name="shared", storage=storage)
    workers = [
        optuna.load_study(study_name="shared", storage=storage, sampler=build_sampler(definition)) for _ in range(2)
    ]
    rates = [suggest_point(worker.ask(), definition)["learning_rate"] for worker in workers for _ in range(10)]
    assert len(set(rates)) == 20


@pytest.mark.parametrize("name", ["random", "qmc", "grid"])
def test_repeats_of_a_planned_point_are_neighbours_and_use_up_no_other_point(name: str) -> None:
    once, thrice = definition_for(name), definition_for(name, budget={"trials": 9, "repeats": 3})
    assert [planned_params(thrice, number) for number in range(9)] == [
        planned_params(once, number // 3) for number in range(9)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_sampler_plans_every_trial_or_looks_at_results(name: str) -> None:
    definition = definition_for(name)
    plans_all = all(planned_params(definition, number) for number in range(24))
    assert plans_all != definition.sampler.kind.looks_at_results


def test_the_boundary_sampler_plans_its_start_and_nothing_more() -> None:
    boundary, sobol = definition_for("boundary"), definition_for("qmc")
    planned = [planned_params(boundary, number) for number in range(40)]
    assert planned[:16] == [planned_params(sobol, number) for number in range(16)]
    assert planned[16:] == [None] * 24


def test_the_boundary_sampler_looks_for_gaps_along_the_range_with_the_role_of_the_learning_rate() -> None:
    assert _along(SPACE) == "learning_rate"
    assert _along({**SPACE, "learning_rate": [1e-4, 1e-3]}) is None


def _along(space: dict[str, Any]) -> str | None:
    sampler = build_sampler(definition_for("boundary", search_space=space))
    assert isinstance(sampler, BoundarySampler)
    return sampler._along


def test_off_is_one_point_to_the_boundary_sampler() -> None:
    """All of the stretch that means "off" is the same: no two trials differ by it."""
    definition = definition_for("boundary")
    sampler = build_sampler(definition)
    assert isinstance(sampler, BoundarySampler)
    coordinates = Coordinates.of(definition.space.distributions, sampler._off_above)
    values = coordinates.values(np.full((2, 4), 0.5))
    clip = list(coordinates.dimensions).index("clip_norm")
    values[:, clip] = 2000.0, 9000.0
    assert np.array_equal(*coordinates.encode(values))


def test_sobol_points_fill_every_axis_evenly() -> None:
    points = sample(definition_for("qmc", search_space={**SPACE, "clip_norm": 1.0}), 64)
    eighths = Counter(int((math.log10(point["learning_rate"]) + 6) / 5 * 8) for point in points)  # type: ignore[arg-type]
    assert eighths == dict.fromkeys(range(8), 8)
    assert set(Counter(point["batch_size"] for point in points).values()) <= {21, 22}


def test_whole_numbers_of_a_log_range_are_reached_at_both_ends() -> None:
    space = {**SPACE, "training.warmup_steps": {"low": 1, "high": 8, "log": True}}
    steps = Counter(point["training.warmup_steps"] for point in sample(definition_for("qmc", search_space=space), 256))
    assert sorted(steps) == list(range(1, 9))
    assert steps[1] > steps[8] > 0


def test_about_the_given_share_of_the_points_is_off() -> None:
    points = sample(definition_for("qmc"), 256)
    off = sum(point["clip_norm"] == math.inf for point in points)
    assert 0.15 <= off / 256 <= 0.25


def test_a_grid_visits_every_point_once() -> None:
    definition = definition_for("grid", search_space={**SPACE, "training.warmup_steps": 0}, budget={"trials": 36})
    points = sample(definition, definition.grid_size)
    assert definition.grid_size == 3 * 3 * 4
    assert set(Counter(tuple(point.values()) for point in points).values()) == {1}


def test_a_point_is_read_back_from_stored_parameters() -> None:
    definition = definition_for("random")
    study = optuna.create_study(sampler=build_sampler(definition))
    for number in range(20):
        trial = optuna.Trial(study, study._storage.create_new_trial(study._study_id, planned_trial(definition, number)))
        point = suggest_point(trial, definition)
        assert definition.space.point_of(study.trials[-1].params) == point
