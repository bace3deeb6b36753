"""The still picture of a map: small whatever the map, and true to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from bs4 import BeautifulSoup

from stability_sweep.report.blocks import Exhibit, Section
from stability_sweep.report.page.still import main_map, still_picture


def map_of(z: Any, trials: int = 0, title: str = "x × y") -> Exhibit:
    heat = {"x": np.arange(len(z[0])), "y": np.arange(len(z)), "z": z, "colorscale": [[0, "#fff"], [1, "#000"]]}
    figure = go.Figure(go.Heatmap(heat))
    places = np.random.default_rng(0).uniform(0, len(z) - 1, (2, trials))
    figure.add_scatter(
        x=places[0], y=places[1], mode="markers", marker={"color": ["red"] * trials, "symbol": ["x"] * trials}
    )
    figure.update_xaxes(range=[-0.5, len(z[0]) - 0.5], tickvals=[0], ticktext=["<b>"])
    figure.update_yaxes(range=[-0.5, len(z) - 0.5])
    return Exhibit(title, "", figure=figure)


def picture(exhibit: Exhibit) -> BeautifulSoup:
    return BeautifulSoup(str(still_picture(exhibit)), "html.parser")


def test_the_most_ragged_map_of_many_trials_takes_less_than_40_kb() -> None:
    ragged = np.random.default_rng(1).uniform(0, 1, (28, 28))
    assert len(still_picture(map_of(ragged, trials=1500))) < 40_000


def test_cells_of_one_shade_are_one_rectangle_and_what_nobody_knows_is_empty() -> None:
    drawn = picture(map_of([[0.01, 0.02, 0.99], [float("nan"), None, 0.98]]))
    pale, dark = drawn.select("path[fill^=rgb]")
    assert str(pale["d"]).count("M") == 1
    assert str(dark["d"]).count("M") == 2
    assert pale["fill"] != dark["fill"]


def test_texts_of_the_study_are_no_markup() -> None:
    drawn = still_picture(map_of([[0.0, 1.0]], title='"><script>'))
    assert "<script>" not in drawn
    assert "<b>" not in drawn
    assert "&lt;b&gt;" in drawn


def test_the_main_map_is_the_first_map() -> None:
    table, first = Exhibit("table", ""), map_of([[0.0, 1.0]])
    assert main_map([Section("a", "", "", [table, first, map_of([[1.0]])])]) is first
    assert main_map([Section("a", "", "", [table])]) is None
    with pytest.raises(ValueError, match="expected a map"):
        still_picture(table)
