from __future__ import annotations

import math

import numpy as np

from stability_sweep.terminal.trial import sparkline, table_lines


def test_a_sparkline_rises_with_its_values() -> None:
    assert sparkline(np.arange(8.0)) == "▁▂▃▄▅▆▇█"
    assert sparkline(np.arange(8.0)[::-1]) == "█▇▆▅▄▃▂▁"


def test_decades_are_drawn_on_a_logarithmic_scale() -> None:
    decades = np.array([1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7])
    assert sparkline(decades) == "▁▂▃▄▅▆▇█"
    assert sparkline(-decades) == "██████▇▁"  # below zero there is no logarithm


def test_what_is_not_finite_is_marked() -> None:
    assert sparkline(np.array([1.0, math.nan, 2.0, math.inf, -math.inf])) == "▁×█××"
    assert sparkline(np.array([math.nan, math.nan])) == "××"


def test_a_constant_and_an_empty_signal_can_be_drawn() -> None:
    assert sparkline(np.zeros(3)) == "▁▁▁"
    assert sparkline(np.array([])) == ""


def test_a_long_signal_is_cut_down_to_the_width_with_both_ends() -> None:
    values = np.zeros(1000)
    values[0], values[-1] = 1.0, -1.0
    bars = sparkline(values, width=20)
    assert len(bars) == 20
    assert (bars[0], bars[-1]) == ("█", "▁")


def test_a_table_lines_up() -> None:
    rows = [{"a": "x", "b": 1.5}, {"a": "longer", "b": math.nan}]
    assert list(table_lines(rows, {"a": "name", "b": "value"})) == [
        "name    value",
        "x         1.5",
        "longer      -",
    ]
