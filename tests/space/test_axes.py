from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stability_sweep.space.axes import MOST_BANDS, axis_of, format_value
from stability_sweep.space.dimensions import Range
from tests.conftest import make_definition

SPACE = {
    "learning_rate": {"low": 1e-6, "high": 1e-1, "log": True},
    "batch_size": [64, 16, 32],
    "clip_norm": {"low": 0.1, "high": 1000.0, "log": True, "off_share": 0.2},
    "model.temperature": {"low": 0.5, "high": 2.0},
}
AXES = make_definition(search_space=SPACE).space.axes


@given(st.floats(1e-6, 1e-1))
def test_every_learning_rate_lies_in_the_band_that_holds_it(rate: float) -> None:
    axis = AXES["learning_rate"]
    band = axis.band(rate)
    assert axis.edges[band] - 1e-9 <= math.log10(rate) <= axis.edges[band + 1] + 1e-9


@given(st.floats(0.1, 1000.0))
def test_off_has_a_band_of_its_own(norm: float) -> None:
    axis = AXES["clip_norm"]
    assert axis.labels[-1] == "off"
    assert axis.band(math.inf) == len(axis.labels) - 1
    assert axis.band(norm) < len(axis.labels) - 1


def test_bands_end_at_round_values_and_are_not_too_many() -> None:
    assert AXES["learning_rate"].labels[:3] == ("1e-6 to 3.16e-6", "3.16e-6 to 1e-5", "1e-5 to 3.16e-5")
    assert all(len(axis.labels) <= MOST_BANDS + 1 for axis in AXES.values())


def test_a_log_range_without_a_round_edge_has_several_bands_too() -> None:
    axis = axis_of("rate", Range(low=1.1e-3, high=1.7e-3, log=True))
    assert (len(axis.labels), axis.labels[0], axis.labels[-1]) == (6, "0.0011 to 0.00118", "0.00158 to 0.0017")


def test_ordered_choices_lie_in_order() -> None:
    assert AXES["batch_size"].labels == ("16", "32", "64")
    assert [AXES["batch_size"].band(size) for size in (16, 32, 64)] == [0, 1, 2]


def test_choices_that_are_texts_keep_the_order_of_the_definition() -> None:
    axis = make_definition(search_space={"batch_size": 16, "model.reconstruction_loss": ["mse", "bce"]}).space.axes
    assert axis["model.reconstruction_loss"].labels == ("mse", "bce")
    assert axis["model.reconstruction_loss"].band("bce") == 1


def test_ticks_stand_at_decades() -> None:
    positions, texts = AXES["clip_norm"].ticks()
    assert texts == ["0.1", "1", "10", "100", "1000", "off"]
    assert positions[:5] == [-1, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-6, "1e-6"), (0.00123, "0.00123"), (1000.0, "1000"), (64, "64"), (math.inf, "off"), ("mse", "mse")],
)
def test_values_are_written_as_people_write_them(value: float | str, text: str) -> None:
    assert format_value(value) == text
