from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stability_sweep.space.dimensions import Choices, Range, complete_search_space
from stability_sweep.targets.rhvae.target import TARGET


def test_a_range_with_off_has_its_share_of_the_axis_beyond_high() -> None:
    dimension = Range(low=0.1, high=1000.0, log=True, off_share=0.2)
    assert dimension.upper_end == pytest.approx(10_000.0)
    assert Range(low=0.0, high=8.0, off_share=0.2).upper_end == pytest.approx(10.0)


@given(st.floats(0.1, 10_000.0))
def test_a_value_is_off_exactly_beyond_high(sampled: float) -> None:
    decoded = Range(low=0.1, high=1000.0, log=True, off_share=0.2).decode(sampled)
    assert decoded == (math.inf if sampled > 1000.0 else sampled)


def test_a_log_grid_is_even_in_the_logarithm_and_ends_with_off() -> None:
    grid = Range(low=0.1, high=1000.0, log=True, off_share=0.2).grid(5)
    assert grid == [pytest.approx(v) for v in (0.1, 1.0, 10.0, 100.0, 1000.0)] + [math.inf]


def test_an_integer_range_has_an_integer_grid() -> None:
    assert Range(low=1, high=4).grid(7) == [1, 2, 3, 4]


def test_off_among_choices_is_infinity() -> None:
    assert Choices(choices=(1.0, "off")).grid(0) == [1.0, math.inf]
    assert Choices(choices=(1.0, "off")).is_ordered
    assert not Choices(choices=("mse", "bce")).is_ordered


def test_short_forms_are_expanded_and_defaults_are_added() -> None:
    completed = complete_search_space({"batch_size": [16, 32], "model.n_lf": 3}, TARGET.default_dimensions)
    assert completed["batch_size"] == {"choices": [16, 32]}
    assert completed["model.n_lf"] == {"choices": [3]}
    assert completed["learning_rate"] == TARGET.default_dimensions["learning_rate"]
    assert completed["clip_norm"] == TARGET.default_dimensions["clip_norm"]
