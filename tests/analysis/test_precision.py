"""How well a study knows its 50% line, against simulated studies whose line is known."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from stability_sweep.analysis.lines import lines_of
from stability_sweep.analysis.precision import Precision, line_precision, wrong_stretch
from stability_sweep.analysis.surface import fit_surface
from stability_sweep.typing import Array
from tests.analysis.simulation import BATCHES, curved, definition, definition_without_clipping, simulate, soft

SPACE = definition_without_clipping().space


def ridge(unit: Array) -> Array:
    """A ridge of divergence below the boundary, at large batch sizes."""
    peak = 0.97 * np.exp(-(((unit[:, 0] - 0.55) / 0.04) ** 2) / 2) * expit(30 * (unit[:, 1] - 0.5))
    return np.maximum(expit(80 * (unit[:, 0] - 0.8)), peak)


def without_clipping(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(clip_norm=math.inf)


def precision_of(frame: pd.DataFrame, budget_trials: int | None = None) -> Precision:
    found = line_precision(frame, SPACE, budget_trials=budget_trials)
    assert found is not None
    return found


def test_more_trials_give_a_narrower_band() -> None:
    found = [precision_of(without_clipping(simulate(soft, trials, 0))) for trials in (64, 256, 1024)]
    decades = [precision.decades for precision in found]
    assert decades == sorted(decades, reverse=True)
    assert decades[0] > 2 * decades[-1]
    assert [precision.trials for precision in found] == [64, 256, 1024]


def test_the_figure_is_the_longest_stretch_on_the_wrong_side_where_the_line_is_known_least() -> None:
    frame = simulate(curved, 256, 0)
    found = line_precision(frame, definition().space)
    surface = fit_surface(frame, definition().space)
    assert found is not None
    assert surface is not None
    figures = {(line.batch_size, line.clip): wrong_stretch(line) for line in lines_of(surface, definition().space)}
    assert found.decades == pytest.approx(max(figures.values()))
    assert figures[found.batch_size, found.clip] == pytest.approx(found.decades)
    assert len(figures) > 6


def test_the_map_is_on_the_right_side_but_for_a_stretch_no_longer_than_it_says() -> None:
    """Of ridge and line at every batch size; the figure is that of the worst one."""
    within = []
    for seed in range(4):
        frame = without_clipping(simulate(ridge, 256, seed))
        surface = fit_surface(frame, SPACE)
        assert surface is not None
        for line in lines_of(surface, SPACE):
            index = list(BATCHES).index(int(line.batch_size or 0)) / (len(BATCHES) - 1)
            unit = np.column_stack([(np.log10(line.rates) + 6) / 5, np.full(len(line.rates), index), line.rates])
            wrong = (ridge(unit) > 0.5) != (line.median > 0.5)
            runs = "".join("x" if each else " " for each in wrong).split()
            decades = max(map(len, runs), default=0) * 5 / (len(line.rates) - 1)
            within.append(decades <= wrong_stretch(line) + 5 / (len(line.rates) - 1))
    assert np.mean(within) >= 0.85


def test_a_study_that_has_not_met_a_second_crossing_may_not_stop() -> None:
    """All its trials lie at the upper line, which it knows well; below, at large batches, there is a ridge."""
    generator = np.random.default_rng(0)
    unit = np.column_stack(
        [
            np.append(0.8 + 0.03 * generator.standard_normal(120), [0.05, 0.1]),
            np.append(generator.integers(0, len(BATCHES), 120) / (len(BATCHES) - 1), [0.0, 1.0]),
        ]
    )
    frame = pd.DataFrame(
        {
            "number": np.arange(len(unit)),
            "learning_rate": 10 ** (-6 + 5 * unit[:, 0].clip(0, 1)),
            "batch_size": BATCHES[np.round(unit[:, 1] * (len(BATCHES) - 1)).astype(int)],
            "clip_norm": math.inf,
            "outcome": np.where(generator.random(len(unit)) < ridge(unit), "diverged", "stable"),
        }
    )
    found = precision_of(frame)
    assert found.unseen.decades > 1
    assert "no trial between" in "; ".join(found.why_not(1.0))


def test_gaps_that_came_out_otherwise_than_forecast_keep_a_study_from_stopping() -> None:
    """Trials over three decades, and eight later ones below of which half diverge against all expectation."""
    early = without_clipping(simulate(curved, 256, 3))
    early = early[(early["learning_rate"] > 1e-4) & (early["learning_rate"] < 1e-1)]
    late = early.head(8).assign(learning_rate=np.geomspace(1.2e-6, 9e-5, 8), batch_size=64)
    surprising = late.assign(outcome=["diverged", "stable"] * 4)
    expected = late.assign(outcome="stable")
    for rows, passes in ((surprising, False), (expected, True)):
        frame = pd.concat([early, rows], ignore_index=True)
        found = precision_of(frame.assign(number=range(len(frame))))
        assert found.forecast.passed is passes, found.forecast


def test_a_precision_that_chance_does_not_allow_is_out_of_reach() -> None:
    """Of a boundary that is chance over two decades, and of a sharp one."""
    wide = precision_of(without_clipping(simulate(lambda unit: expit(8 * (unit[:, 0] - 0.5)), 128, 0)), 160)
    sharp = precision_of(without_clipping(simulate(lambda unit: expit(80 * (unit[:, 0] - 0.5)), 128, 0)), 160)
    assert wide.is_out_of_reach(0.1)
    assert not sharp.is_out_of_reach(0.1)
    assert wide.attainable_decades is not None
    assert wide.attainable_decades < 1.0


@pytest.mark.parametrize("trials", [0, 4])
def test_too_few_trials_say_nothing(trials: int) -> None:
    assert line_precision(simulate(soft, 8, 0).head(trials), definition().space) is None


@pytest.mark.parametrize("outcome", ["stable", "diverged"])
def test_a_study_of_one_outcome_does_not_claim_to_know_the_line(outcome: str) -> None:
    found = line_precision(simulate(soft, 24, 0).assign(outcome=outcome), definition().space)
    assert found is not None
    assert found.why_not(0.5)
