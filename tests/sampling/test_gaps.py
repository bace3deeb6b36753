"""The widest gap: where it is found, what counts as seen, and along which dimension it is looked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from stability_sweep.sampling.gaps import dimension_to_explore, point_in_widest_gap
from stability_sweep.space.coordinates import Coordinates

X = FloatDistribution(0.0, 1.0)
RATE = FloatDistribution(1e-6, 1e-1, log=True)


def gap(other: BaseDistribution | None, seen: list[tuple[float, Any]], along: BaseDistribution = X) -> tuple[Any, Any]:
    """The next point, after points of x and one other dimension."""
    coordinates = Coordinates.of({"x": along} if other is None else {"x": along, "y": other})
    params = [{"x": x, "y": y} for x, y in seen]
    values = np.array([coordinates.internal(point) for point in params]).reshape(len(seen), -1)
    unit = point_in_widest_gap(coordinates, "x", values, np.random.default_rng(0))
    assert ((unit >= 0) & (unit < 1)).all()
    found = coordinates.params_at(unit)
    return found["x"], found.get("y")


def test_the_middle_of_the_widest_gap_is_asked_for_and_the_ends_count() -> None:
    assert gap(None, [(0.1, 0), (0.4, 0), (0.9, 0)])[0] == pytest.approx(0.65)
    assert gap(None, [(0.1, 0), (0.3, 0), (0.5, 0)])[0] == pytest.approx(0.75)
    assert gap(None, [(0.6, 0), (0.8, 0)])[0] == pytest.approx(0.3)


def test_a_gap_is_halved_on_the_axis_of_its_dimension() -> None:
    """In decades, where it is logarithmic."""
    assert gap(None, [(1e-5, 0), (1e-2, 0)], RATE)[0] == pytest.approx(10**-3.5)


def test_points_that_are_unlike_fill_no_gap() -> None:
    """All of the axis was seen, but for a stretch at large y."""
    everywhere = [
        (x, y) for x in np.linspace(0, 1, 21) for y in np.linspace(0, 1, 11) if not (0.4 < x < 0.6 and y > 0.5)
    ]
    x, y = gap(X, everywhere)
    assert x == pytest.approx(0.5)
    assert y > 0.7


def test_the_rows_of_ordered_choices_are_seen_from_their_neighbours_and_those_of_unordered_ones_are_not() -> None:
    """Listed in another order than by size; all of 8 was seen, and nothing of 64."""
    line = [(x, 8) for x in np.linspace(0, 1, 21)]
    sizes = CategoricalDistribution([64, 8, 32, 16])
    assert gap(sizes, line)[1] in (32, 64)
    kinds = CategoricalDistribution(["adam", "sgd"])
    assert gap(kinds, [(x, "sgd") for x in np.linspace(0, 1, 21)])[1] == "adam"


def test_with_many_dimensions_a_gap_is_still_a_gap_and_not_an_empty_corner() -> None:
    """Four other dimensions, 40 points: in windows of two fifths of every axis there would be one point or none."""
    coordinates = Coordinates.of(dict.fromkeys("abcd", X) | {"x": X})
    generator = np.random.default_rng(1)
    seen = generator.random((40, 5))
    asked = []
    for _ in range(20):
        point = point_in_widest_gap(coordinates, "x", seen, generator)
        seen = np.vstack([seen, coordinates.values(point[None, :])])
        asked.append(point[4])
    assert len(set(np.round(asked, 2))) > 10


@pytest.mark.parametrize(
    ("space", "wanted", "lengths", "expected"),
    [
        ({"learning_rate": RATE, "x": X}, None, [1.0, 0.1], "learning_rate"),
        ({"learning_rate": RATE, "x": X}, "x", [1.0, 0.1], "x"),
        ({"learning_rate": RATE, "x": X}, "gone", [1.0, 0.1], "learning_rate"),
        ({"kind": CategoricalDistribution(["a", "b"]), "x": X, "y": X}, None, [0.1, 0.1, 2.0, 1.0], "y"),
        ({"learning_rate": CategoricalDistribution([0.1, 0.2]), "depth": IntDistribution(1, 8)}, None, [1, 2], "depth"),
        ({"x": X, "y": X}, None, None, None),
        ({"kind": CategoricalDistribution(["a", "b"])}, None, [1.0, 1.0], None),
    ],
)
def test_gaps_are_looked_for_along_what_was_said_or_the_learning_rate_or_the_shortest_length(
    space: dict[str, BaseDistribution], wanted: str | None, lengths: list[float] | None, expected: str | None
) -> None:
    known = None if lengths is None else np.array(lengths)
    assert dimension_to_explore(Coordinates.of(space), wanted, known) == expected


def test_choices_have_no_gaps() -> None:
    coordinates = Coordinates.of({"kind": CategoricalDistribution(["a", "b"])})
    with pytest.raises(ValueError, match=r"along='kind'\): expected a range of numbers, got choices"):
        dimension_to_explore(coordinates, "kind", None)
