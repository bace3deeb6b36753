"""The table ``[baseline]``: where a study's author wants maps, limits, effects and contrasts to stand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from stability_sweep.definition.files import load_definition
from stability_sweep.definition.study import StudyDefinition
from stability_sweep.errors import DefinitionError
from stability_sweep.space.standing import baseline, baseline_point
from tests.conftest import DEFINITION_TOML, make_definition

SPACE: dict[str, Any] = {
    "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
    "batch_size": [16, 64],
    "clip_norm": {"low": 0.1, "high": 1000, "log": True, "off_share": 0.2},
    "training.warmup_steps": {"low": 0, "high": 100},
    "training.rollback_on_spikes": [False, True],
    "model.hamiltonian_gradient_cap": [1.0, 10, "off"],
}


def study(baseline: dict[str, Any]) -> StudyDefinition:
    return make_definition(search_space=SPACE, baseline=baseline)


def test_what_it_names_wins_and_the_reason_is_said() -> None:
    named = {
        "learning_rate": 1e-3,
        "batch_size": 16,
        "clip_norm": 1,
        "training.warmup_steps": 20,
        "training.rollback_on_spikes": True,
        "model.hamiltonian_gradient_cap": 10,
    }
    space = study(named).space
    assert baseline_point(space) == named
    assert {standing.why for standing in baseline(space).values()} == {"the definition's baseline"}


def test_off_may_be_named_in_a_range_and_among_choices() -> None:
    point = baseline_point(study({"clip_norm": "off", "model.hamiltonian_gradient_cap": "off"}).space)
    assert point["clip_norm"] == point["model.hamiltonian_gradient_cap"] == math.inf


def test_a_dimension_that_it_does_not_name_stands_where_it_stood() -> None:
    silent, named = baseline(make_definition(search_space=SPACE).space), baseline(study({"learning_rate": 1e-3}).space)
    assert silent.pop("learning_rate").why == "the middle of its axis"
    assert named.pop("learning_rate").value == 1e-3
    assert named == silent


def test_it_is_no_part_of_the_fingerprint_and_a_definition_without_it_is_written_as_before() -> None:
    plain, named = make_definition(search_space=SPACE), study({"clip_norm": "off", "training.warmup_steps": 0})
    assert named.fingerprint == plain.fingerprint
    assert named.differences(plain) == []
    assert "baseline" not in json.loads(plain.to_json())
    assert StudyDefinition.from_json(named.to_json()) == named
    assert StudyDefinition.from_json(plain.to_json()).baseline == {}


def test_a_file_names_it_as_a_search_space_is_written(tmp_path: Path) -> None:
    path = tmp_path / "named.toml"
    path.write_text(f'{DEFINITION_TOML}\n[baseline]\nclip_norm = "off"\nlearning_rate = 1e-3\n')
    assert load_definition(path).space.baseline == {"clip_norm": math.inf, "learning_rate": 1e-3}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("momentum", 0.9, "expected a dimension of this study (learning_rate, batch_size, clip_norm, "),
        ("clip_norm", 5000.0, 'expected a value that this study searches (0.1 to 1000 or "off"), got 5000.0'),
        ("learning_rate", "off", "expected a value that this study searches (1e-05 to 0.1), got 'off'"),
        ("learning_rate", True, "expected a value that this study searches (1e-05 to 0.1), got True"),
        ("batch_size", 32, "expected a value that this study searches (16, 64), got 32"),
        ("training.warmup_steps", 2.5, "expected a value that this study searches (0 to 100), got 2.5"),
        ("training.rollback_on_spikes", 1, "expected a value that this study searches (false, true), got 1"),
        (
            "model.hamiltonian_gradient_cap",
            "on",
            "expected a value that this study searches (1.0, 10, \"off\"), got 'on'",
        ),
        ("clip_norm", [1.0], 'expected a finite number, a text ("off", for clipping) or true or false, got [1.0]'),
    ],
)
def test_what_is_not_searched_is_refused_in_one_line(name: str, value: Any, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        study({name: value})
    (line,) = caught.value.args
    assert line.startswith(f"definition: baseline.{name}: {message}")
