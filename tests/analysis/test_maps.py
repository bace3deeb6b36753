from __future__ import annotations

import math

import numpy as np
import pytest

from stability_sweep.analysis.maps import grid_values, mapped_dimensions, pair_map, pair_maps
from stability_sweep.analysis.surface import Surface, fit_surface
from tests.analysis.simulation import definition, simulate, soft
from tests.conftest import make_definition


@pytest.fixture(scope="module")
def surface() -> Surface:
    found = fit_surface(simulate(soft, 100, 0), definition().space)
    assert found is not None
    return found


def test_there_is_a_map_for_every_pair_with_slices_through_the_third(surface: Surface) -> None:
    maps = pair_maps(surface, definition().space)
    assert [(pair.x.name, pair.y.name, pair.third and pair.third.name) for pair in maps] == [
        ("learning_rate", "batch_size", "clip_norm"),
        ("learning_rate", "clip_norm", "batch_size"),
        ("batch_size", "clip_norm", "learning_rate"),
    ]
    assert maps[0].slices[-1].label == "off"


def test_a_maps_grid_is_what_the_surface_says_there(surface: Surface) -> None:
    pair = pair_maps(surface, definition().space)[0]
    row = pair.table.iloc[137]
    clip = pair.slices[int(row["slice"])].value
    point = simulate(soft, 1, 0).assign(learning_rate=row["x"], batch_size=int(row["y"]), clip_norm=clip)
    assert surface.predict(point)["probability"].iloc[0] == pytest.approx(row["probability"])
    assert pair.grid("probability", 0).shape == (len(pair.y_positions), len(pair.x_positions))


def test_every_trial_belongs_to_the_slice_nearest_to_it(surface: Surface) -> None:
    pair = pair_maps(surface, definition().space)[1]
    trials = simulate(soft, 60, 3)
    found = [pair.slices[index].value for index in pair.slice_of(trials)]
    values = [piece.value for piece in pair.slices]
    for value, batch in zip(found, trials["batch_size"], strict=True):
        assert value == batch or batch not in values


def test_the_stretch_of_off_has_columns_of_the_common_width() -> None:
    positions, values = grid_values(definition().space.searched["clip_norm"], 32)
    assert np.diff(positions) == pytest.approx(np.diff(positions)[0])
    assert values[-1] == math.inf
    assert float(values[0]) > 0.1


def test_what_a_study_did_not_search_has_no_probability(surface: Surface) -> None:
    longer = make_definition(
        search_space={"learning_rate": {"low": 1e-8, "high": 1.0, "log": True}, "batch_size": [8, 16, 32, 64]},
        allow_small_batches=True,
    )
    axes = longer.space.searched
    table = pair_map(surface, definition().space, axes["learning_rate"], axes["batch_size"]).table
    outside = (table["x"] < 1e-6) | (table["x"] > 1e-1) | (table["y"] == 8)
    assert table.loc[outside, "probability"].isna().all()
    assert table.loc[~outside, "probability"].notna().all()


def test_more_dimensions_than_there_is_room_for_give_maps_of_the_most_important_ones() -> None:
    names = ["model.n_lf", "model.latent_dim", "training.warmup_steps"]
    study = make_definition(search_space={**{name: [1, 2] for name in names}, "batch_size": [16, 32]})
    assert mapped_dimensions(study.space, ["training.warmup_steps"]) == [
        "learning_rate",
        "batch_size",
        "clip_norm",
        "training.warmup_steps",
    ]
