"""The forms of a point agree with each other in any search space: parameters, values, positions, coordinates."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stability_sweep.space import OFF, Choices, Dimension, Point, Range, SearchSpace, is_off
from stability_sweep.space.coordinates import Coordinates, only_value
from stability_sweep.space.encoding import Encoding
from stability_sweep.typing import Array

off_shares = st.sampled_from([0.0, 0.0, 0.2, 0.5])


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    if draw(st.booleans()):
        low = draw(st.integers(1, 50))
        return Range(low=low, high=low + draw(st.integers(1, 500)), log=draw(st.booleans()))
    low_end, factor = draw(st.floats(1e-6, 10.0)), draw(st.floats(1.05, 1e5))
    return Range(low=low_end, high=low_end * factor, log=draw(st.booleans()), off_share=draw(off_shares))


choices = st.one_of(
    st.lists(st.integers(1, 1000), min_size=1, max_size=5, unique=True),
    st.lists(st.one_of(st.floats(0.1, 10.0), st.just(OFF)), min_size=1, max_size=5, unique=True),
    st.lists(st.sampled_from(["relu", "tanh", "elu", "gelu"]), min_size=1, unique=True),
    st.just([True, False]),
).map(lambda values: Choices(choices=tuple(values)))

dimensions: st.SearchStrategy[Dimension] = st.one_of(ranges(), choices)
spaces = st.lists(dimensions, min_size=1, max_size=4).map(
    lambda found: SearchSpace({f"x{index}": dimension for index, dimension in enumerate(found)})
)


def sampled(space: SearchSpace, count: int = 20) -> tuple[Coordinates, Array, list[Point]]:
    """Points all over a space: its unit cube, the sampler's values there, and the points that these mean."""
    coordinates = Coordinates.of(space.distributions, space.off_above)
    units = np.random.default_rng(0).random((count, len(coordinates.dimensions)))
    values = coordinates.values(units) if coordinates.dimensions else units
    single = {name: only_value(kind) for name, kind in space.distributions.items() if kind.single()}
    return coordinates, values, [space.point_of({**single, **coordinates.params(row)}) for row in values]


@settings(max_examples=60)
@given(spaces)
def test_the_same_dimensions_are_searched_whoever_says_so(space: SearchSpace) -> None:
    searched = [name for name, distribution in space.distributions.items() if not distribution.single()]
    assert list(Coordinates.of(space.distributions).dimensions) == searched
    assert list(space.searched) == list(Encoding.of(space).names) == searched
    assert list(space.axes) == list(space.distributions) == list(space)


@settings(max_examples=60)
@given(spaces)
def test_sampler_and_surface_see_a_point_at_the_same_coordinates(space: SearchSpace) -> None:
    coordinates, values, points = sampled(space)
    if coordinates.dimensions:
        encoded = Encoding.of(space).encode(pd.DataFrame(points))
        assert encoded == pytest.approx(coordinates.encode(values), abs=1e-9)
        assert encoded.min() >= -1e-9
        assert encoded.max() <= 1 + 1e-9


@settings(max_examples=60)
@given(spaces)
def test_every_point_lies_in_one_band_of_every_axis_and_off_in_its_own(space: SearchSpace) -> None:
    for point in sampled(space)[2]:
        for name, value in point.items():
            axis, band = space.axes[name], space.axes[name].band(value)
            assert axis.edges[band] - 1e-9 <= axis.position(value) <= axis.edges[band + 1] + 1e-9
            if isinstance(space[name], Range):
                assert is_off(value) == (axis.has_off and axis.labels[band] == OFF)


@settings(max_examples=60)
@given(spaces, st.integers(2, 5))
def test_a_grid_is_made_of_values_of_the_space(space: SearchSpace, levels: int) -> None:
    grid = SearchSpace(space.dimensions, grid_levels=levels)
    rows = max(len(values) for values in grid.grid_values.values())
    params = [{name: values[row % len(values)] for name, values in grid.grid_values.items()} for row in range(rows)]
    assert all(
        grid.distributions[name]._contains(grid.distributions[name].to_internal_repr(row[name]))
        for row in params
        for name in row
    )
    points = pd.DataFrame([grid.point_of(row) for row in params])
    encoded = Encoding.of(grid).encode(points)
    assert np.isfinite(encoded).all()
    assert all(
        math.isfinite(axis.position(value)) for name, axis in grid.axes.items() for value in points[name].tolist()
    )
