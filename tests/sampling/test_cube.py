"""Back from values to the unit cube."""

from __future__ import annotations

import numpy as np
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from stability_sweep.sampling.cube import positions, reflected
from stability_sweep.space.coordinates import Coordinates

AXES: list[BaseDistribution] = [
    FloatDistribution(-3.0, 5.0),
    FloatDistribution(1e-6, 1e-1, log=True),
    FloatDistribution(0.0, 1.0, step=0.125),
    IntDistribution(1, 9),
    IntDistribution(1, 64, log=True),
    CategoricalDistribution([64, 8, 32]),
]


@pytest.mark.parametrize("axis", AXES, ids=str)
def test_a_position_has_the_value_that_it_was_made_of(axis: BaseDistribution) -> None:
    coordinates = Coordinates.of({"x": axis})
    values = coordinates.values(np.linspace(0, 1 - 1e-9, 101)[:, None])
    again = coordinates.values(positions(coordinates, values))
    assert again == pytest.approx(values, rel=1e-6, abs=1e-6)


def test_a_value_that_owns_a_stretch_lies_in_its_middle() -> None:
    coordinates = Coordinates.of({"x": IntDistribution(1, 4)})
    assert positions(coordinates, np.array([[1.0], [4.0]]))[:, 0] == pytest.approx([0.125, 0.875], abs=1e-3)


def test_values_of_an_older_wider_range_lie_at_its_ends() -> None:
    coordinates = Coordinates.of({"x": FloatDistribution(1e-3, 1.0, log=True)})
    assert positions(coordinates, np.array([[1e-9], [50.0]]))[:, 0] == pytest.approx([0, 1])


def test_points_come_back_from_the_walls() -> None:
    assert reflected(np.array([-0.02, 0.5, 1.03])) == pytest.approx([0.02, 0.5, 0.97])
    assert (reflected(np.array([0.0, 1.0])) < 1).all()
