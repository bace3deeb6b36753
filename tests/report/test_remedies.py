"""Remedies in words, as a forest, in the table and the files: what is known is told, and what is not is not drawn."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from stability_sweep.analysis import Analysis, table_names
from stability_sweep.analysis.remedies import HELPS, NO_EFFECT, UNDECIDED, VERDICTS, Remedies
from stability_sweep.report import summary_sentences, write_report
from stability_sweep.report.files.csv_file import write_csv_files
from stability_sweep.report.files.json_file import report_json
from stability_sweep.report.panels.forest_drawing import VERDICT_STYLE, forest_figure
from stability_sweep.report.panels.which_remedy import PANEL
from stability_sweep.report.remedy_words import points, remedies_finding, remedy_sentence
from tests.report.browsing import VIEWPORT, opened
from tests.report.remedies_by_hand import remedies_by_hand
from tests.report.test_roles import PLAIN, analysed
from tests.report.test_theme import ON_CARD

PHONE = {"viewport": {"width": 390, "height": 800}, "is_mobile": True, "has_touch": True}


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return dataclasses.replace(analysed(PLAIN), remedies=remedies_by_hand())


def sentences(remedies: Remedies) -> list[str]:
    return [remedy_sentence(row) for row in remedies.table.to_dict("records")]


def texts(figure: go.Figure) -> list[str]:
    """What stands in a figure beside its axes."""
    return [str(annotation.text) for annotation in figure.layout.annotations]


def test_the_finding_counts_every_verdict_and_says_how_small_no_effect_is() -> None:
    assert remedies_finding(remedies_by_hand().table) == (
        "Of 12 remedies 2 help, 1 harms, 3 have no effect larger than 0.1 decades, 1 is true but useless, 5 lack "
        "evidence."
    )
    assert remedies_finding(remedies_by_hand(1).table) == "Of 1 remedy 1 helps."
    assert "3 have no effect," in remedies_finding(remedies_by_hand(has_rate=False).table)


def test_a_remedy_is_told_with_its_effect_its_price_and_its_trials() -> None:
    told = sentences(remedies_by_hand())
    assert told[0] == (
        "warmup steps 200 instead of 0 helps: it allows a 2.1 times larger learning rate (0.32 decades, 95% interval "
        "0.12 to 0.55), P(diverge) -12 percentage points (-19 to -5); price: yardstick +0.4 (0.1 to 0.8) at equal "
        "images, 1.02 times the time; 12 of 60 trials diverged, 58 pairs."
    )
    assert told[-1].startswith("leapfrog steps 9 instead of 3 harms: it needs a 2.6 times smaller learning rate (-0.41")


def test_no_effect_is_told_with_its_size_and_missing_evidence_with_the_trials_that_would_bring_it() -> None:
    told = sentences(remedies_by_hand())
    assert told[6].startswith(
        "outlier gradient skip instead of off has no effect larger than 0.1 decades: the safe learning rate changes by"
    )
    assert told[3].startswith(
        "hamiltonian gradient cap 10 instead of off: not enough evidence, about 400 more trials would tell; the safe "
    )
    assert told[10] == (
        "temperature 1.5 instead of 1: not enough evidence; P(diverge) +3 percentage points (95% interval -20 to +26); "
        "price not measured; 24 of 60 trials diverged, 58 pairs."
    )


def test_a_value_at_which_no_trial_stands_is_not_told_as_none_of_none() -> None:
    row = remedies_by_hand(1).table.assign(trials=0, diverged=0, pairs=0, more_trials=1e4, verdict=UNDECIDED)
    (told,) = sentences(Remedies(row, ""))
    assert "about 10,000 more trials would tell" in told
    assert told.endswith("; no trial stands at that very value.")


def test_without_a_learning_rate_the_change_of_the_probability_stands_first_with_its_interval() -> None:
    told = sentences(remedies_by_hand(has_rate=False))
    assert told[0].startswith(
        "warmup steps 200 instead of 0 helps: P(diverge) -12 percentage points (95% interval -19 to -5); price: "
    )


@pytest.mark.parametrize(
    ("share", "words"),
    [(-0.12, "-12"), (0.004, "+0.4"), (-0.0001, "0"), (0.0, "0"), (1.0, "+100"), (-math.inf, "-inf")],
)
def test_a_change_of_a_probability_is_told_in_points(share: float, words: str) -> None:
    assert points(share) == words


def test_words_come_first_then_the_forest_then_all_figures(analysis: Analysis) -> None:
    section = PANEL.build(analysis)
    words, forest, table = section.exhibits
    assert analysis.remedies.note in section.text
    assert len(words.lines) == 12
    assert words.figure is None
    assert forest.figure is not None
    assert table.csv == table_names.REMEDIES
    assert table.table is not None
    assert table.table.rows[0] == [
        "warmup steps 200 instead of 0", HELPS, "0.32 (0.12 to 0.55)", "-12 (-19 to -5)", "0.33 (0.15 to 0.66)",
        "+0.4 (0.1 to 0.8)", "0.97 (0.9 to 1)", "1 (1 to 1)", "12 of 60", "58", "–",
    ]  # fmt: skip
    assert table.table.rows[3][-1] == "400"


def test_where_nothing_is_judged_the_panel_says_why_or_is_left_out(analysis: Analysis) -> None:
    nothing = analysis.remedies.table.head(0)
    silent, told = (dataclasses.replace(analysis, remedies=Remedies(nothing, note)) for note in ("", "No trial ended."))
    assert PANEL.build(silent).exhibits == []
    assert [exhibit.caption for exhibit in PANEL.build(told).exhibits] == ["No trial ended."]
    assert not any("remed" in sentence for sentence in summary_sentences(told))


@pytest.mark.parametrize("count", [1, 2, 20])
def test_a_forest_grows_with_its_rows_and_draws_every_remedy_once(count: int) -> None:
    figure = forest_figure(remedies_by_hand(count).table)
    drawn = [trace for trace in figure.data if trace.xaxis == "x"]
    assert sum(math.isfinite(x) for trace in drawn for x in trace.x) == count - ("unknown" in texts(figure))
    assert 46 * count < figure.layout.height < 90 * count + 140
    positions = [y for trace in drawn for y in trace.y]
    assert len(set(positions)) == count
    assert max(positions) < figure.layout.yaxis.range[0]


def test_a_long_name_wraps_and_no_name_is_taken_for_html() -> None:
    remedies = remedies_by_hand(5)
    assert texts(forest_figure(remedies.table))[4].count("<br>") == 2
    evil = remedies.table.assign(remedy='<a href="x">click</a>')
    figure = forest_figure(evil)
    assert not any("<a" in text for text in [*texts(figure), *(each for trace in figure.data for each in trace.text)])


def test_a_verdict_is_told_by_shape_and_by_color_and_seen_in_light_and_dark() -> None:
    assert set(VERDICT_STYLE) == set(VERDICTS)
    colors, symbols = zip(*VERDICT_STYLE.values(), strict=True)
    assert len(set(symbols)) == len(symbols) == len(set(colors))
    assert set(colors) <= set(ON_CARD)  # whose contrast `test_theme` measures


def test_what_is_not_known_has_a_word_in_place_of_its_mark() -> None:
    said = texts(forest_figure(remedies_by_hand().table))
    assert said.count("unknown") == 1
    assert said.count("not measured") == 2


def test_without_any_price_there_is_one_column_and_without_a_rate_it_is_the_probability() -> None:
    alone = forest_figure(remedies_by_hand(has_price=False).table)
    assert {trace.xaxis for trace in alone.data} == {"x"}
    changes = forest_figure(remedies_by_hand(has_rate=False).table)
    assert changes.layout.xaxis.title.text.startswith("P(diverge), points")
    assert min(x for trace in changes.data if trace.xaxis == "x" for x in trace.x) == -31


def test_an_endless_interval_reaches_the_edge_and_hides_no_small_effect() -> None:
    table = remedies_by_hand(3).table.assign(low=[0.12, -math.inf, 0.9], high=[0.55, math.inf, 40.0])
    figure = forest_figure(table)
    start, end = figure.layout.xaxis.range
    assert math.isfinite(start)
    assert end < 70
    unknown = forest_figure(
        table.assign(**dict.fromkeys(("shift_decades", "change_of_probability", "price"), math.nan))
    )
    assert texts(unknown).count("unknown") == 3


def test_the_summary_gains_one_line(analysis: Analysis) -> None:
    assert summary_sentences(analysis)[-1] == remedies_finding(analysis.remedies.table)


def test_json_has_remedies_and_claims_at_the_top(analysis: Analysis) -> None:
    endless = analysis.remedies.table.assign(high=math.inf)
    claims = pd.DataFrame({"claim": ["a = 1 avoids divergence"], "verdict": [HELPS], "contrast": [-0.1], "low": [-0.2]})
    found = report_json(dataclasses.replace(analysis, remedies=Remedies(endless, "So."), claims=claims))
    text = json.dumps(found, allow_nan=False)
    first, undecided = found["remedies"][0], found["remedies"][10]
    assert set(first) == set(analysis.remedies.table.columns)
    assert (first["remedy"], first["shift_decades"], first["high"]) == ("warmup steps 200 instead of 0", 0.32, "inf")
    assert (undecided["verdict"], undecided["shift_decades"], undecided["price"]) == (UNDECIDED, None, None)
    assert found["claims"] == [
        {"says": "a = 1 avoids divergence", "verdict": HELPS, "contrast": -0.1, "low": -0.2},
    ]
    assert found["remedies_note"] == "So."
    assert "NaN" not in text


def test_remedies_are_a_table_of_the_report(analysis: Analysis, tmp_path: Path) -> None:
    written = {path.name: path for path in write_csv_files(tmp_path, analysis)}
    with written["remedies.csv"].open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["verdict"] for row in rows].count(NO_EFFECT) == 3
    assert (rows[0]["shift_decades"], rows[10]["shift_decades"]) == ("0.32", "")


@pytest.mark.browser
def test_the_panel_is_drawn_in_light_and_dark_and_on_a_phone_and_axe_finds_nothing(
    browser: Browser, analysis: Analysis, tmp_path: Path, complaints: list[str]
) -> None:
    write_report(tmp_path / "r.html", analysis, storage="here")
    for device in ({"viewport": VIEWPORT, "color_scheme": "dark"}, {**PHONE, "color_scheme": "light"}):
        page = opened(browser, tmp_path / "r.html", complaints, **device)
        plot = page.locator("#remedies .plot")
        assert plot.locator(".scatterlayer .trace .point").count() == 11 + 10
        names = page.evaluate(
            "[...document.querySelectorAll('#remedies .annotation')].map(a => a.getBoundingClientRect().right)"
        )
        assert max(names) <= page.evaluate("document.querySelector('#remedies .plot').getBoundingClientRect().right")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.locator("#remedies li").count() == 12
        found = Axe().run(page, context="#remedies").response["violations"]
        assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found] == []
        page.close()
    assert complaints == []
