"""How far to trust the map, in a figure and in words."""

from __future__ import annotations

import pandas as pd
import pytest

from stability_sweep.analysis import Analysis, table_names
from stability_sweep.analysis.calibration import calibration
from stability_sweep.report import analyse_study
from stability_sweep.report.panels.calibrated import PANEL, calibration_figure, calibration_finding
from stability_sweep.sources import StoredSource
from stability_sweep.storage import Repository
from tests.conftest import StudyBuilder, diverges_above, make_definition, make_result


def table(bold: bool) -> pd.DataFrame:
    model = [0.05] * 40 + [0.95] * 40
    event = [False] * 20 + [True] * 20 + [True] * 40 if bold else [False] * 38 + [True] * 2 + [True] * 38 + [False] * 2
    return calibration(pd.DataFrame({"model": model, "base_rate": 0.5, "event": event}))


def test_forecasts_that_can_be_taken_at_their_word_are_said_to_be() -> None:
    assert calibration_finding(table(bold=False)) == (
        "Of 80 trials, dealt into 2 bins by forecast: the mean forecast lies in the 95% interval of the share that "
        "diverged in 2 of 2. Nothing speaks against taking the forecasts at their word."
    )


def test_a_bin_that_is_off_is_told_with_its_counts_and_its_interval() -> None:
    told = calibration_finding(table(bold=True))
    assert "in 1 of 2." in told
    assert "forecast at 0% to 10% (5% in the mean), more diverged: 20 of 40 (50%; 95% interval 35% to 65%)." in told


def test_the_figure_shows_share_interval_and_number_of_trials_of_every_bin() -> None:
    found = table(bold=True)
    shares, bars = calibration_figure(found).data[1:]
    assert list(shares.y) == list(found["fraction"])
    assert list(shares.y + shares.error_y.array) == pytest.approx(list(found["high"]))
    assert list(shares.y - shares.error_y.arrayminus) == pytest.approx(list(found["low"]))
    assert list(bars.y) == [40, 40]


def analysed(repository: Repository, build: StudyBuilder, *, trials: int, limit: float) -> Analysis:
    return analyse_study(StoredSource(repository, build(diverges_above(limit), trials=trials)))


def test_the_page_has_the_diagram_its_numbers_and_its_download(
    repository: Repository, finished_study: StudyBuilder
) -> None:
    analysis = analysed(repository, finished_study, trials=16, limit=1e-3)
    drawn, numbers = PANEL.build(analysis).exhibits
    assert drawn.figure is not None
    assert drawn.csv == table_names.CALIBRATION
    assert numbers.table is not None
    assert len(numbers.table.rows) == len(analysis.tables()[table_names.CALIBRATION])


@pytest.mark.parametrize(("trials", "reason"), [(3, "too few trials for a model"), (7, "All trials ended alike")])
def test_where_there_are_no_forecasts_the_page_says_why(
    repository: Repository, finished_study: StudyBuilder, trials: int, reason: str
) -> None:
    study = finished_study(lambda point: make_result(), trials=trials)
    (exhibit,) = PANEL.build(analyse_study(StoredSource(repository, study))).exhibits
    assert exhibit.figure is None
    assert reason in exhibit.caption


@pytest.mark.parametrize("precision", [0.1, None])
def test_a_study_that_ends_by_its_precision_says_what_that_rests_on(
    repository: Repository, finished_study: StudyBuilder, precision: float | None
) -> None:
    definition = make_definition(sampler={"name": "boundary"}, budget={"trials": 100, "precision": precision})
    study = finished_study(diverges_above(1e-3), trials=20, definition=definition)
    told = PANEL.text(analyse_study(StoredSource(repository, study)))
    assert told.startswith("The 50% line, with all its crossings, is known to within ") is (precision is not None)
    assert ("(asked: 0.1" in told and "Not enough to stop: " in told) is (precision is not None)
