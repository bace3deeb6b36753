"""Positions in the unit cube, values and coordinates of Optuna's distributions."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from stability_sweep.space.coordinates import Coordinates
from stability_sweep.space.encoding import Encoding
from tests.conftest import make_definition

DISTRIBUTIONS: list[BaseDistribution] = [
    FloatDistribution(-1.0, 3.0),
    FloatDistribution(1e-6, 1e-1, log=True),
    FloatDistribution(-10.2, 10.2, step=0.1),
    IntDistribution(0, 9),
    IntDistribution(1, 1000, log=True),
    IntDistribution(-10, 10, step=5),
    CategoricalDistribution([256, 16, 64]),
    CategoricalDistribution(["relu", "tanh", "elu"]),
    CategoricalDistribution([True, False]),
    CategoricalDistribution([1.0, "off", 100.0]),
]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_every_position_is_a_value_of_the_distribution_and_both_ends_are_reached(
    distribution: BaseDistribution,
) -> None:
    coordinates = Coordinates.of({"x": distribution})
    found = [coordinates.params_at(np.array([unit]))["x"] for unit in np.linspace(0, 1 - 1e-12, 2001)]
    assert all(distribution._contains(distribution.to_internal_repr(value)) for value in found)
    if isinstance(distribution, CategoricalDistribution):
        assert set(found) == set(distribution.choices)
    else:
        assert isinstance(distribution, (FloatDistribution, IntDistribution))
        assert found[0] == pytest.approx(distribution.low)
        assert found[-1] == pytest.approx(distribution.high)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_coordinates_run_from_0_to_1(distribution: BaseDistribution) -> None:
    coordinates = Coordinates.of({"x": distribution})
    encoded = coordinates.encode(coordinates.values(np.linspace(0, 1 - 1e-12, 2001)[:, None]))
    assert encoded.min(axis=0) == pytest.approx(0, abs=1e-9)
    assert encoded.max(axis=0) == pytest.approx(1, abs=1e-9)


def test_the_sampler_and_the_report_place_a_point_alike() -> None:
    """A model that is learned in one space and drawn in another would look wrong to both."""
    definition = make_definition(
        data={"dataset": "mnist", "training_images": 10000, "validation_images": 500},
        search_space={
            "learning_rate": {"low": 1e-6, "high": 1e-1, "log": True},
            "batch_size": [256, 16, 64],
            "clip_norm": {"low": 0.1, "high": 1000.0, "log": True, "off_share": 0.2},
            "model.activation": ["relu", "tanh", "elu"],
            "training.warmup_steps": {"low": 0, "high": 100},
        },
    )
    space = definition.space.distributions
    coordinates = Coordinates.of(space, {"clip_norm": 1000.0})
    units = np.random.default_rng(0).random((50, 5))
    values = coordinates.values(units)
    points = [definition.space.point_of(coordinates.params(row)) for row in values]
    assert any(math.isinf(point["clip_norm"]) for point in points)  # type: ignore[arg-type]

    expected = Encoding.of(definition.space).encode(pd.DataFrame(points))
    assert coordinates.encode(values) == pytest.approx(expected)


def test_a_dimension_with_one_value_is_no_dimension_of_the_cube() -> None:
    space: dict[str, BaseDistribution] = {"x": FloatDistribution(1, 1), "y": IntDistribution(0, 3)}
    assert list(Coordinates.of(space).dimensions) == ["y"]


def test_values_outside_a_range_that_shrank_keep_their_position() -> None:
    coordinates = Coordinates.of({"x": FloatDistribution(1e-4, 1e-2, log=True)})
    assert coordinates.encode(np.array([[1e-6], [1e-1]]))[:, 0] == pytest.approx([-1.0, 1.5])
