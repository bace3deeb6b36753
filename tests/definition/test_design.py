"""The table ``[design]``: blocks of trials that share point and seed, and what it takes to tell effects from chance."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from stability_sweep.definition.design import Blocks
from stability_sweep.definition.study import StudyDefinition
from stability_sweep.definition.trials_needed import effects_and_trials, shortfall_in_words
from stability_sweep.engine.seeds import trial_seed
from stability_sweep.errors import DefinitionError
from stability_sweep.sources import facts_of
from stability_sweep.space.dimensions import Point
from tests.conftest import make_definition

SPACE: dict[str, Any] = {
    "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
    "batch_size": [16, 64],
    "clip_norm": [1.0, "off"],
    "training.warmup_steps": [0, 2, 4],
    "training.outlier_gradient": ["skip", "keep", "clip"],
    "model.eps_lf": {"low": 1e-3, "high": 1e-2, "log": True},
}
TWO_EACH = {name: SPACE[name] for name in ("learning_rate", "batch_size", "clip_norm")} | {
    "training.warmup_steps": [0, 4],
    "training.outlier_gradient": ["clip", "keep"],
}
OFF: Point = {"clip_norm": math.inf, "training.warmup_steps": 0, "training.outlier_gradient": "keep"}


def study(design: dict[str, Any] | None = None, **overrides: Any) -> StudyDefinition:
    settings: dict[str, Any] = {"search_space": SPACE, "sampler": {"name": "qmc"}, "budget": {"trials": 60}}
    return make_definition(**{**settings, "design": {"paired": True} if design is None else design, **overrides})


def blocks_of(definition: StudyDefinition) -> Blocks:
    assert definition.blocks is not None
    return definition.blocks


def fractional(*, paired: bool, **overrides: Any) -> StudyDefinition:
    return study({"paired": paired, "arrangement": "fractional"}, search_space=TWO_EACH, **overrides)


def test_a_block_is_the_baseline_and_then_every_remedy_level_alone() -> None:
    assert blocks_of(study()).runs == (
        OFF,
        {**OFF, "clip_norm": 1.0},
        {**OFF, "training.outlier_gradient": "skip"},
        {**OFF, "training.outlier_gradient": "clip"},
        {**OFF, "training.warmup_steps": 2},
        {**OFF, "training.warmup_steps": 4},
    )


def test_a_study_has_the_same_blocks_when_it_comes_back_from_the_database() -> None:
    """Where the keys of its search space have another order."""
    definition = study()
    stored = StudyDefinition.from_json(definition.to_json())
    assert list(stored.search_space) != list(definition.search_space)
    assert blocks_of(stored).runs == blocks_of(definition).runs


def test_the_levels_are_those_beside_the_named_baseline() -> None:
    named = study(baseline={"clip_norm": 1.0, "training.warmup_steps": 4})
    base = {**OFF, "clip_norm": 1.0, "training.warmup_steps": 4}
    runs = blocks_of(named).runs
    assert runs[:2] == (base, {**base, "clip_norm": math.inf})
    assert runs[4:] == ({**base, "training.warmup_steps": 0}, {**base, "training.warmup_steps": 2})


def test_learning_rates_and_batch_sizes_are_points_even_if_they_are_listed() -> None:
    listed = study(search_space={**SPACE, "learning_rate": [1e-4, 1e-3]})
    assert list(listed.point_space) == ["learning_rate", "batch_size", "model.eps_lf"]
    assert [remedy.name for remedy in blocks_of(listed).remedies] == sorted(OFF)


@pytest.mark.parametrize("repeats", [1, 3])
def test_trials_of_a_block_share_point_and_seed_and_repeats_of_a_block_share_the_point_only(repeats: int) -> None:
    definition = study(budget={"trials": 60, "repeats": repeats})
    for number in range(60):
        assert definition.trial_seed(number) == trial_seed(definition.seed, number // 6)
        assert definition.point_index(number) == number // 6 // repeats


def test_without_pairs_every_trial_has_the_seed_that_it_had() -> None:
    for definition in (make_definition(), fractional(paired=False)):
        assert [definition.trial_seed(number) for number in range(20)] == [trial_seed(7, n) for n in range(20)]


def test_a_fraction_without_pairs_has_a_point_per_trial_and_repeats_whole_trials() -> None:
    definition = fractional(paired=False, budget={"trials": 60, "repeats": 2})
    blocks = blocks_of(definition)
    assert [definition.point_index(number) for number in range(6)] == [0, 0, 1, 1, 2, 2]
    assert [blocks.params(number) for number in range(0, 16, 2)] == [
        blocks.params(number) for number in range(1, 16, 2)
    ]
    assert len({json.dumps(blocks.params(number)) for number in range(16)}) == 8
    assert blocks.params(16) == blocks.params(0)
    assert blocks.trials == 16


def test_a_trial_has_the_baseline_of_its_block_as_its_twin() -> None:
    blocks = blocks_of(study())
    assert [blocks.baseline_twin(number) for number in (0, 1, 5, 6, 8)] == [None, 0, 0, None, 6]
    assert blocks_of(fractional(paired=False)).baseline_twin(3) is None
    point: Point = {"learning_rate": 1e-3, "batch_size": 16, **OFF}
    assert blocks.differ_in_remedies_only({**point, "clip_norm": 1.0}, point)
    assert not blocks.differ_in_remedies_only({**point, "batch_size": 64}, point)


def test_a_definition_without_a_design_or_with_its_defaults_is_what_it_was() -> None:
    plain = make_definition(search_space=SPACE)
    said = make_definition(search_space=SPACE, design={"paired": False, "arrangement": "one_at_a_time"})
    assert said.fingerprint == plain.fingerprint
    assert said.to_json() == plain.to_json()
    assert "design" not in json.loads(plain.to_json())
    assert said.blocks is None
    assert said.point_space is said.space


def test_a_design_and_the_baseline_of_its_remedies_are_part_of_the_fingerprint() -> None:
    paired, plain = study(), study({})
    assert [str(line) for line in plain.differences(paired)] == [
        'baseline.clip_norm: absent -> "off"',
        'baseline.training.outlier_gradient: absent -> "keep"',
        "baseline.training.warmup_steps: absent -> 0",
        'design.arrangement: absent -> "one_at_a_time"',
        "design.paired: absent -> true",
    ]
    other = study(baseline={"training.warmup_steps": 2})
    assert [str(line) for line in paired.differences(other)] == ["baseline.training.warmup_steps: 0 -> 2"]
    same = study(baseline={"training.warmup_steps": 0, "learning_rate": 1e-3})
    assert same.fingerprint == paired.fingerprint
    assert StudyDefinition.from_json(same.to_json()) == same


def test_analysis_knows_whether_a_study_is_paired() -> None:
    assert facts_of(study()).is_paired
    assert not facts_of(study({})).is_paired
    assert not facts_of(fractional(paired=False)).is_paired


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"budget": {"trials": 5}},
            "budget.trials: one block of this design takes 6 trials (the baseline and 5 remedy levels), got "
            "budget.trials = 5",
        ),
        (
            {"search_space": {"batch_size": [16, 64]}},
            "design: expected a remedy in [search_space], which is a list of two or more choices of a setting other "
            "than learning rate and batch size, got none",
        ),
        (
            {"design": {"arrangement": "fractional"}},
            'design.arrangement: "fractional" takes two choices of every remedy, got 3 of training.outlier_gradient; '
            'list two, or take "one_at_a_time"',
        ),
        (
            {"design": {"arrangement": "factorial"}},
            "design.arrangement: expected one of 'one_at_a_time', 'fractional', got 'factorial'",
        ),
        ({"design": {"pared": True}}, "design.pared: unknown key; did you mean 'paired'? allowed: paired, arrangement"),
        ({"design": {"paired": 1}}, "design.paired: expected true or false, got 1"),
        *(
            (
                {"sampler": {"name": name}},
                "design: the trials of a block share a point that is planned before any result is known, beside the "
                f'remedies, as "qmc" and "random" plan it; got sampler.name = "{name}": set sampler.name = "qmc"',
            )
            for name in ("boundary", "tpe", "grid")
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        study(**{"design": {"paired": True}, **overrides})
    assert caught.value.args == (f"definition: {message}",)


def test_a_study_that_lists_no_remedy_asks_for_no_effect() -> None:
    plain = make_definition()
    assert effects_and_trials(plain) == (0, 0)
    assert shortfall_in_words(plain, 1) is None


def test_drawn_remedies_need_trials_by_their_number_and_designs_by_their_blocks() -> None:
    assert effects_and_trials(study({})) == (6, 360)  # five levels and a range
    assert effects_and_trials(study()) == (5, 360)  # sixty blocks of six
    assert effects_and_trials(fractional(paired=True)) == effects_and_trials(fractional(paired=False)) == (3, 128)


def test_a_budget_that_is_too_small_for_the_effects_is_told_with_the_trials_that_it_takes() -> None:
    assert shortfall_in_words(study(), 360) is None
    assert shortfall_in_words(study(), 60) == (
        "the effects of 5 remedy settings can be told from chance by about 360 trials, and the budget is 60: expect "
        "wide bands, or search fewer"
    )
