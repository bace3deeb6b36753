"""Settings that came later: what they may be, how they are swept; definitions without them stay what they were."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.engine.settings import TrainingConfig
from stability_sweep.errors import DefinitionError
from stability_sweep.space.dimensions import LATER
from stability_sweep.targets.rhvae.settings import RHVAEConfig
from tests.conftest import make_definition, trial_config

SEARCHED: dict[str, list[Any]] = {
    "training.outlier_gradient": ["keep", "skip", "clip"],
    "training.outlier_z": [1.5, 2.5],
    "training.outlier_decay": [0.9, 0.99],
    "training.outlier_warmup_steps": [2, 25],
    "training.adaptive_clipping": ["none", "agc", "adagc"],
    "training.agc_ratio": [0.01, 0.1],
    "training.agc_smallest_norm": [1e-3, 1e-2],
    "training.adagc_ratio": [1.05, 2.0],
    "training.adagc_decay": [0.9, 0.98],
    "training.adagc_warmup_steps": [10, 100],
    "training.rollback_allowance": [0, 3],
    "training.rollback_snapshot_steps": [10, 100],
    "training.rollback_rate_factor": [0.1, 0.5],
    "training.rollback_on_spikes": [False, True],
    "training.spike_restart_steps": [0, 50],
    "training.spike_window_steps": [10, 25],
    "training.spike_sigmas": [4.0, 8.0],
    "model.metric_condition_cap": [100.0, "off"],
}


def test_every_later_setting_can_be_swept() -> None:
    later = {
        f"{table}.{name}"
        for table, settings in (("training", TrainingConfig), ("model", RHVAEConfig))
        for name, field in settings.model_fields.items()
        if LATER in field.metadata
    }
    assert later == SEARCHED.keys()
    rate = {"low": 1e-5, "high": 1e-1, "log": True}
    definition = make_definition(search_space={"learning_rate": rate, "batch_size": [16], **SEARCHED})
    assert StudyDefinition.from_json(definition.to_json()) == definition
    point = {name: math.inf if choices[-1] == "off" else choices[-1] for name, choices in SEARCHED.items()}
    config = trial_config(definition, {"learning_rate": 1e-3, "batch_size": 16, "clip_norm": math.inf, **point})
    for path, value in point.items():
        table, _, name = path.partition(".")
        assert getattr(getattr(config, table), name) == value


def test_a_range_of_the_condition_cap_may_reach_off() -> None:
    cap = {"low": 10.0, "high": 1e6, "log": True, "off_share": 0.2}
    rate = {"low": 1e-5, "high": 1e-1, "log": True}
    definition = make_definition(
        search_space={"learning_rate": rate, "batch_size": [16], "model.metric_condition_cap": cap}
    )
    assert definition.fingerprint != make_definition().fingerprint


def test_a_default_that_is_said_and_one_that_is_not_are_one_definition() -> None:
    plain = make_definition()
    said = make_definition(training={"horizon_steps": 5, "rollback_allowance": 0, "outlier_gradient": "keep"})
    assert said.fingerprint == plain.fingerprint
    assert said.to_json() == plain.to_json()
    assert "rollback_allowance" not in json.loads(plain.to_json())["training"]
    other = make_definition(training={"horizon_steps": 5, "rollback_allowance": 2})
    assert other.fingerprint != plain.fingerprint
    assert StudyDefinition.from_json(other.to_json()) == other
    assert [str(difference) for difference in plain.differences(other)] == ["training.rollback_allowance: absent -> 2"]


@pytest.mark.parametrize(
    ("table", "name", "value", "message"),
    [
        ("training", "outlier_gradient", "drop", "expected one of 'keep', 'skip', 'clip', got 'drop'"),
        ("training", "outlier_z", 0.0, "must be greater than 0, got 0.0"),
        ("training", "outlier_decay", 1.0, "must be less than 1, got 1.0"),
        ("training", "outlier_warmup_steps", 1, "must be greater than or equal to 2, got 1"),
        ("training", "adaptive_clipping", "zclip", "expected one of 'none', 'agc', 'adagc', got 'zclip'"),
        ("training", "agc_ratio", 0.0, "must be greater than 0, got 0.0"),
        ("training", "agc_smallest_norm", -1.0, "must be greater than 0, got -1.0"),
        ("training", "adagc_ratio", 0.9, "must be greater than or equal to 1, got 0.9"),
        ("training", "adagc_decay", 0.0, "must be greater than 0, got 0.0"),
        ("training", "rollback_allowance", -1, "must be greater than or equal to 0, got -1"),
        ("training", "rollback_snapshot_steps", 0, "must be greater than or equal to 1, got 0"),
        ("training", "rollback_rate_factor", 1.5, "must be less than or equal to 1, got 1.5"),
        ("training", "rollback_on_spikes", 1, "expected true or false, got 1"),
        ("training", "spike_restart_steps", -1, "must be greater than or equal to 0, got -1"),
        ("training", "spike_sigmas", 0.0, "must be greater than 0, got 0.0"),
        ("model", "metric_condition_cap", 1.0, "must be greater than 1, the condition number of the identity, got 1.0"),
        ("model", "metric_condition_cap", 0.0, "must be greater than 0, got 0.0"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(table: str, name: str, value: Any, message: str) -> None:
    needed = {"horizon_steps": 5} if table == "training" else {}
    with pytest.raises(DefinitionError) as caught:
        make_definition(**{table: {**needed, name: value}})
    assert caught.value.args == (f"definition: {table}.{name}: {message}",)
