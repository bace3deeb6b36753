"""The baseline: where maps, limits and effects stand in the dimensions that they do not show."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stability_sweep.analysis.baseline import baseline, baseline_in_words, baseline_point, nearest_to_baseline
from stability_sweep.analysis.maps import pair_maps
from stability_sweep.analysis.speed_limit import speed_limits
from stability_sweep.analysis.surface import fit_surface
from stability_sweep.definition.study import StudyDefinition
from stability_sweep.space.roles import ROLES
from tests.conftest import make_definition

SPACE: dict[str, Any] = {
    "learning_rate": {"low": 1e-6, "high": 1e-2, "log": True},
    "batch_size": [16, 96, 256],
    "clip_norm": {"low": 0.1, "high": 1000.0, "log": True, "off_share": 0.2},
    "training.warmup_steps": {"low": 0, "high": 100},
    "training.schedule": ["plateau", "cosine", "constant"],
    "training.accumulation_steps": [1, 2, 4],
    "model.activation": ["relu", "tanh", "gelu"],
}


def study(**space: Any) -> StudyDefinition:
    return make_definition(
        search_space={**SPACE, **space}, data={"dataset": "mnist", "training_images": 10000, "validation_images": 500}
    )


def test_the_baseline_is_the_definitions_own_setting_and_not_the_middle_of_the_search() -> None:
    """A run with warm-up, cosine, accumulation and tanh, which nobody had asked about, was the middle."""
    point = baseline_point(study().space)
    assert point["training.warmup_steps"] == 0
    assert point["training.schedule"] == "constant"
    assert point["training.accumulation_steps"] == 1
    assert point["model.activation"] == "relu"


def test_a_setting_that_the_definition_writes_is_its_own() -> None:
    own = make_definition(
        search_space={"batch_size": 16, "training.warmup_steps": {"low": 0, "high": 100}},
        training={"horizon_steps": 5, "warmup_steps": 30},
    )
    assert baseline_point(own.space)["training.warmup_steps"] == 30


def test_dimensions_without_an_own_setting_stand_at_a_usual_one() -> None:
    point = baseline_point(study().space)
    assert point["learning_rate"] == pytest.approx(1e-4)
    assert point["batch_size"] == 96  # nearest to 64 in proportion
    assert point["clip_norm"] == math.inf
    assert baseline_point(study(clip_norm={"low": 0.1, "high": 10.0, "log": True}).space)["clip_norm"] == 10.0
    assert baseline_point(study(clip_norm=[0.5, "off", 3.0]).space)["clip_norm"] == math.inf


@pytest.mark.parametrize(
    ("name", "searched", "value"),
    [
        ("training.warmup_steps", {"low": 20, "high": 100}, 20),
        ("training.accumulation_steps", [8, 2, 4], 2),
        ("model.activation", ["tanh", "gelu"], "tanh"),
        ("model.log_variance_clamp", {"low": 1.0, "high": 10.0}, 10.0),
        ("model.log_variance_clamp", [3.0, 20.0, 5.0], 20.0),
    ],
)
def test_where_the_own_setting_was_not_searched_the_nearest_stands_for_it_and_that_is_said(
    name: str, searched: Any, value: Any
) -> None:
    standing = baseline(study(**{name: searched}).space)[name]
    assert standing.value == value
    assert standing.why.startswith("nearest to the definition's own, ")


def test_the_words_name_every_searched_dimension_that_is_not_shown_and_why_it_stands_there() -> None:
    definition = study(**{"model.activation": ["tanh", "gelu"], "training.momentum": 0.0})
    assert baseline_in_words(definition.space, ROLES) == (
        "Baseline: training.warmup steps 0, training.schedule constant, training.accumulation steps 1 "
        "(the definition's own); model.activation tanh (nearest to the definition's own, relu)."
    )
    assert (
        "learning rate 0.0001 (the middle of its axis); batch size 96 (nearest to 64); clip norm off (the loosest)"
        in (baseline_in_words(definition.space))
    )
    assert baseline_in_words(make_definition().space, ROLES) == ""


def test_the_speed_limit_and_the_maps_are_those_of_the_baseline() -> None:
    """In this world a plain run diverges above 1e-4, and one with warm-up above 1e-3."""
    definition = make_definition(
        search_space={
            "learning_rate": {"low": 1e-6, "high": 1e-2, "log": True},
            "batch_size": [16, 64],
            "clip_norm": "off",
            "training.warmup_steps": [0, 100],
            "model.n_lf": [1, 2],
            "model.latent_dim": [2, 4],
        }
    )
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "learning_rate": 10 ** generator.uniform(-6, -2, 400),
            "batch_size": generator.choice([16, 64], 400),
            "clip_norm": math.inf,
            "training.warmup_steps": generator.choice([0, 100], 400),
            "model.n_lf": generator.choice([1, 2], 400),
            "model.latent_dim": generator.choice([2, 4], 400),
        }
    )
    line = np.where(frame["training.warmup_steps"] == 100, 1e-3, 1e-4)
    frame["outcome"] = np.where(frame["learning_rate"] > line, "diverged", "stable")
    surface = fit_surface(frame, definition.space)
    assert surface is not None
    limits = speed_limits(surface, definition.space, tolerance=0.5)
    assert np.allclose(np.log10(limits["limit"]), -4, atol=0.25)
    # Of the three dimensions beside the map's own two, the first is sliced and the others stand still.
    pair = pair_maps(surface, definition.space, ["model.n_lf", "model.latent_dim", "learning_rate"])[0]
    assert (pair.x.name, pair.y.name) == ("learning_rate", "batch_size")
    assert pair.third is not None
    assert pair.third.name == "model.n_lf"
    crossing = pair.x_positions[(pair.grid("median", 0)[0] > 0.5).argmax()]
    assert crossing == pytest.approx(-4, abs=0.3)


def test_the_words_say_whose_baseline_it_is() -> None:
    named = make_definition(
        search_space={"batch_size": 16, "training.warmup_steps": [0, 100]},
        baseline={"training.warmup_steps": 100},
    )
    assert baseline_in_words(named.space, ROLES) == "Baseline: training.warmup steps 100 (the definition's baseline)."


def test_of_several_lines_the_one_at_the_baseline_speaks_for_the_study() -> None:
    places = [(batch, clip) for clip in (0.5, 5.0, math.inf) for batch in (16, 96, 256)]
    assert places[nearest_to_baseline(study().space, places)] == (96, math.inf)
    named = replace(study().space, baseline={"batch_size": 256, "clip_norm": 1.0})
    assert places[nearest_to_baseline(named, places)] == (256, 0.5)
    assert nearest_to_baseline(study().space, [(None, None), (None, None)]) == 1
