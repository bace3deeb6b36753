"""What the maps draw: every trial, where the model is unsure, and what the page's script needs to follow the slider."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from stability_sweep.analysis.maps import PairMap, pair_map, pair_maps, step_map
from stability_sweep.analysis.periods import Lives
from stability_sweep.analysis.surface import Surface, fit_surface
from stability_sweep.report.panels.drawn_trials import MOST_DRAWN, Stay, drawn, hover
from stability_sweep.report.panels.hatching import hatched
from stability_sweep.report.panels.map_drawing import HALF_LINE, TOLERANCE_LINE, UNCERTAIN, stability_map
from stability_sweep.report.panels.maps_by_step import DIED, FINITE, by_step_figure, counts_by
from stability_sweep.report.theme import DARK, LINE, MARK_SIZE, PALE_SIZE
from tests.analysis.simulation import definition, simulate, soft

SPACE = definition().space


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    frame = simulate(soft, 60, 0)
    diverged = (frame["outcome"] == "diverged").to_numpy()
    steps = pd.Series(np.where(diverged, frame["number"] % 90 + 1, 100), dtype="Int64")
    return frame.assign(divergence_step=steps.mask(~diverged), steps=steps, horizon=100)


@pytest.fixture(scope="module")
def surface(trials: pd.DataFrame) -> Surface:
    found = fit_surface(trials, SPACE)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def model(surface: Surface) -> PairMap:
    return pair_maps(surface, SPACE)[0]


def of_trials(figure: go.Figure) -> list[Any]:
    return [trace for trace in figure.data if (trace.meta or {}).get("trials")]


def test_every_trial_is_drawn_full_on_its_slice_and_small_on_the_others(trials: pd.DataFrame, model: PairMap) -> None:
    marks = of_trials(stability_map(trials, model.x, model.y, model, SPACE))
    assert sorted(number for trace in marks for number in trace.customdata) == trials["number"].tolist()
    slices = dict(zip(trials["number"], model.slice_of(trials), strict=True))
    for trace in marks:
        for number, size, place in zip(trace.customdata, trace.marker.size, trace.meta["first"], strict=True):
            assert place == slices[number]
            assert size == (MARK_SIZE if place == model.first else PALE_SIZE)


def test_an_entry_of_the_legend_has_the_trials_of_its_outcome_themselves(trials: pd.DataFrame, model: PairMap) -> None:
    figure = stability_map(trials, model.x, model.y, model, SPACE)
    assert {trace.name for trace in of_trials(figure)} == set(trials["outcome"])
    keys = {trace.meta["key"] for trace in figure.data if trace.showlegend is not False and trace.name}
    assert keys == {*trials["outcome"], HALF_LINE, TOLERANCE_LINE, UNCERTAIN}
    for name in (HALF_LINE, TOLERANCE_LINE, UNCERTAIN):  # one per slice, and the entry
        assert sum(trace.meta.get("key") == name for trace in figure.data) == len(model.slices) + 1


def test_the_pointer_shows_every_setting_of_a_trial_and_how_it_ended(trials: pd.DataFrame) -> None:
    (text,) = hover(trials[trials["outcome"] == "diverged"].head(1), SPACE)
    assert text.startswith("trial ")
    assert ": diverged at step " in text
    assert all(f"{name} " in text for name in ("learning rate", "batch size", "clip norm"))


def test_a_choice_in_a_database_cannot_put_a_link_under_the_pointer(trials: pd.DataFrame) -> None:
    evil = trials.head(1).assign(activation='<a href="https://example.org">x</a>')
    assert "<a" not in hover(evil, ["activation"])[0]


def test_a_place_of_a_map_is_told_in_words(trials: pd.DataFrame, model: PairMap) -> None:
    places = stability_map(trials, model.x, model.y, model, SPACE).layout.meta["places"]
    assert (len(places["x"]), len(places["y"])) == (len(model.x_positions), len(model.y_positions))
    assert places["y"][0] == "batch size 16"
    assert places["x"][0].startswith("learning rate 1.")


def test_up_to_thousands_of_trials_are_all_drawn() -> None:
    assert MOST_DRAWN >= 2000
    many = pd.DataFrame({"number": range(MOST_DRAWN + 1)})
    assert len(drawn(many.head(MOST_DRAWN))) == MOST_DRAWN
    assert len(drawn(many)) == MOST_DRAWN


def test_the_hatching_lies_where_the_band_holds_both_sides(surface: Surface) -> None:
    axes = SPACE.searched
    pair = pair_map(surface, SPACE, axes["learning_rate"], axes["clip_norm"])
    field = np.minimum(pair.grid("high", 0) - 0.5, 0.5 - pair.grid("low", 0))
    lines = hatched(pair, field, "/")
    assert lines.line.color == LINE
    ends = [(x, y) for x, y in zip(lines.x, lines.y, strict=True) if x is not None]
    assert len(ends) > 4
    for x, y in ends:
        column, row = np.abs(pair.x_positions - x).argmin(), np.abs(pair.y_positions - y).argmin()
        around = field[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        assert around.max() > 0
    assert len(hatched(pair, -np.ones_like(field), "/").x) == 0
    assert len(hatched(pair, np.full_like(field, np.nan), "/").x) == 0


def test_a_trial_is_still_finite_until_it_diverged_and_unknown_after_its_last_step() -> None:
    stay = Stay(np.array([0, 2]), np.array([1, 4]), is_pale=False)
    assert [look > 0 for look in stay.looks(1)["size"]] == [True, False]
    assert [look > 0 for look in stay.looks(3)["size"]] == [False, True]


def test_on_the_map_by_step_a_trial_is_drawn_as_it_was_by_then(trials: pd.DataFrame, surface: Surface) -> None:
    axes = SPACE.searched
    model = step_map(surface, SPACE, axes["learning_rate"], axes["batch_size"])
    traces = {trace.name: trace for trace in of_trials(by_step_figure(trials, model, SPACE))}
    ended = trials[trials["outcome"] == "diverged"]
    died = dict(zip(ended["number"].tolist(), ended["steps"].tolist(), strict=True))
    for name, by_then in ((DIED, True), (FINITE, False)):
        meta = traces[name].meta
        for number, first, last in zip(traces[name].customdata, meta["first"], meta["last"], strict=True):
            for index, step in enumerate(model.steps):
                has_died = number in died and died[number] <= step
                seen = has_died if by_then else (not has_died and (step <= 100 if number not in died else True))
                assert (first <= index <= last) is seen


def test_no_color_of_a_map_but_those_of_its_legend_and_axes_changes_in_the_dark(
    trials: pd.DataFrame, model: PairMap
) -> None:
    figure = stability_map(trials, model.x, model.y, model, SPACE)
    on_map = [trace for trace in figure.data if trace.type == "contour" or (trace.meta or {}).get("trials")]
    for trace in on_map:
        assert not any(color in str(trace.to_plotly_json()) for color in DARK)


def test_beyond_every_horizon_nobody_is_said_to_have_diverged(trials: pd.DataFrame) -> None:
    """Of those that were known to live so long, all 43 of 43 once had."""
    lives = Lives.of(trials)
    died = int((trials["outcome"] == "diverged").sum())
    assert counts_by(lives, 100) == f"{died} of 60 had diverged"
    assert counts_by(lives, 1000) == "nobody trained so long"
