from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stability_sweep.analysis import Proportion, divergence_by_band, divergence_cells
from stability_sweep.results.outcome import Outcome
from stability_sweep.sources.frame import RESULT_COLUMNS, frame_of, study_frame
from stability_sweep.storage import Repository
from tests.conftest import StudyBuilder, diverges_above, make_definition, make_result

DEFINITION = make_definition()
AXES = DEFINITION.space.axes
COLUMNS = ["number", "learning_rate", "batch_size", "clip_norm", *RESULT_COLUMNS]


def trial(number: int, rate: float, batch: int, outcome: str) -> dict[str, Any]:
    return {"number": number, "learning_rate": rate, "batch_size": batch, "clip_norm": math.inf, "outcome": outcome}


def frame_from(trials: list[dict[str, Any]]) -> pd.DataFrame:
    return frame_of([{**dict.fromkeys(COLUMNS), **t} for t in trials], COLUMNS)


trials_strategy = st.lists(
    st.builds(
        trial,
        st.integers(0, 1000),
        st.floats(1e-5, 1e-1),
        st.sampled_from([16, 64]),
        st.sampled_from([outcome.value for outcome in Outcome]),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(trials_strategy)
def test_every_trial_but_the_failed_ones_is_counted_in_exactly_one_cell(trials: list[dict[str, Any]]) -> None:
    cells = divergence_cells(frame_from(trials), AXES["learning_rate"], AXES["batch_size"])
    assert cells["total"].sum() == sum(t["outcome"] != "failed" for t in trials)
    assert cells["diverged"].sum() == sum(t["outcome"] == "diverged" for t in trials)
    assert len(cells) == len(AXES["learning_rate"].labels) * 2


@settings(deadline=None)
@given(trials_strategy, st.randoms())
def test_the_order_of_the_trials_does_not_matter(trials: list[dict[str, Any]], random: Any) -> None:
    shuffled = list(trials)
    random.shuffle(shuffled)
    x, y = AXES["learning_rate"], AXES["batch_size"]
    pd.testing.assert_frame_equal(
        divergence_cells(frame_from(trials), x, y), divergence_cells(frame_from(shuffled), x, y)
    )


def test_a_cell_has_its_count_fraction_and_interval() -> None:
    trials = [trial(n, 2e-3, 16, "diverged" if n < 1 else "stable") for n in range(4)]
    cells = divergence_cells(frame_from(trials), AXES["learning_rate"], AXES["batch_size"])
    (cell,) = cells[cells["total"] > 0].to_dict("records")
    assert (cell["diverged"], cell["total"], cell["fraction"]) == (1, 4, 0.25)
    assert (cell["low"], cell["high"]) == pytest.approx((0.0456, 0.6994), abs=1e-4)  # Wilson, by hand
    assert cell["y"] == "16"


def test_an_empty_cell_is_empty_and_not_zero() -> None:
    cells = divergence_cells(frame_from([]), AXES["learning_rate"], AXES["batch_size"])
    assert cells["fraction"].isna().all()
    assert (cells["total"] == 0).all()
    assert ((cells["low"] == 0) & (cells["high"] == 1)).all()


def test_bands_of_one_dimension_add_up() -> None:
    trials = [trial(n, 1e-3, 16 if n % 2 else 64, "diverged" if n % 3 == 0 else "stable") for n in range(12)]
    table = divergence_by_band(frame_from(trials), AXES["batch_size"])
    assert table["label"].tolist() == ["16", "64"]
    assert table["total"].tolist() == [6, 6]


def test_wilsons_interval_matches_its_formula() -> None:
    z, k, n = 1.959963984540054, 7, 20
    p = k / n
    center = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert Proportion(k, n).interval == pytest.approx((center - half, center + half))
    assert Proportion(0, 0).interval == (0.0, 1.0)


def test_a_study_becomes_one_row_per_finished_trial(repository: Repository, finished_study: StudyBuilder) -> None:
    study = finished_study(diverges_above(1e-3), trials=20)
    frame = study_frame(repository, study)
    assert frame["number"].tolist() == list(range(20))
    assert ((frame["learning_rate"] > 1e-3) == (frame["outcome"] == "diverged")).all()
    assert np.isinf(frame["clip_norm"]).any()
    assert frame.loc[frame["outcome"] == "diverged", "divergence_step"].tolist() == [3] * int(
        (frame["outcome"] == "diverged").sum()
    )


def test_failed_trials_are_in_the_frame_but_in_no_cell(repository: Repository, finished_study: StudyBuilder) -> None:
    study = finished_study(lambda point: make_result(Outcome.FAILED), trials=3)
    frame = study_frame(repository, study)
    assert len(frame) == 3
    assert divergence_cells(frame, AXES["learning_rate"], AXES["clip_norm"])["total"].sum() == 0
