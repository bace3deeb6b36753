"""Studies side by side: any number of them, the first as the baseline, and one clear line on what cannot be said."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Browser

from stability_sweep.analysis import Analysis, analyse
from stability_sweep.analysis.remedies import Remedies
from stability_sweep.report import comparison
from stability_sweep.report.comparison import comparison_json, comparison_sentences, write_comparison
from stability_sweep.space.roles import ROLES
from tests.analysis.test_roles import analysis_without
from tests.report.browsing import opened
from tests.report.remedies_by_hand import remedies_by_hand
from tests.report.test_roles import PLAIN, analysed

NAMES = ("plain", "warm", "clipped")
SETTINGS = (
    {"training.warmup_steps": "0", "model.n_lf": "3"},
    {"training.warmup_steps": "200", "model.n_lf": "3"},
    {"training.warmup_steps": "0", "model.n_lf": "3", "training.clip": "1"},
)


@pytest.fixture(scope="module")
def one() -> Analysis:
    return analysed(PLAIN)


def renamed(analysis: Analysis, name: str, settings: dict[str, str] | None = None) -> Analysis:
    return dataclasses.replace(
        analysis, study=dataclasses.replace(analysis.study, name=name, settings=settings or {}, fingerprint=5 * name)
    )


@pytest.fixture
def three(one: Analysis) -> list[Analysis]:
    return [renamed(one, name, settings) for name, settings in zip(NAMES, SETTINGS, strict=True)]


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Remedies:
    """What a comparison is told of its studies as remedies."""
    remedies = remedies_by_hand(2)
    monkeypatch.setattr(comparison, "judge_studies", lambda analyses: remedies)
    return remedies


def page_of(analyses: list[Analysis], path: Path) -> BeautifulSoup:
    write_comparison(path, analyses, storage="nowhere")
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def test_the_page_begins_with_the_answer_of_every_study(three: list[Analysis], tmp_path: Path) -> None:
    page = page_of(three, tmp_path / "c.html")
    first = page.select("main section")[0]
    assert first["id"] == "answer"
    lines = [line.text for line in first.select("p")]
    assert [line.split(":")[0] for line in lines] == list(NAMES)
    assert all("learning rate" in line for line in lines)
    assert page.select("h1")[0].text == "plain, warm and clipped"


def test_three_studies_are_drawn_on_common_axes_with_a_column_of_settings_each(
    three: list[Analysis], judged: Remedies, tmp_path: Path
) -> None:
    page = page_of(three, tmp_path / "c.html")
    assert [title.text for title in page.select("#maps h3")][:3] == [
        f"{name}: learning rate × batch size" for name in NAMES
    ]
    ranges = [json.loads(each.text)["layout"]["xaxis"]["range"] for each in page.select("#maps script.figure")[:3]]
    assert ranges[0] == ranges[1] == ranges[2]
    assert [cell.text for cell in page.select("#settings th")] == ["setting", *NAMES]
    assert [[cell.text for cell in row.select("td")] for row in page.select("#settings tbody tr")] == [
        ["training.clip", "absent", "absent", "1"],
        ["training.warmup steps".replace(" ", "_"), "0", "200", "0"],
    ]
    said = page.select("#time figcaption")[0].text
    assert all(f"at study {name} (95% band" in said for name in NAMES)
    assert all(f"{name}: At batch size 64" in page.select("#limits figcaption")[0].text for name in NAMES)
    assert len(page.select("#remedies li")) == len(judged.table)
    assert page.select("#remedies figure.drawn")


def test_every_one_of_seven_studies_has_its_own_curve(one: Analysis) -> None:
    curves = comparison.curves_by_study([renamed(one, f"study-{place}") for place in range(7)])
    assert curves["label"].unique().tolist() == [f"study-{place}" for place in range(7)]
    assert curves["group"].nunique() == 7


def test_each_is_compared_with_the_first(three: list[Analysis], judged: Remedies) -> None:
    said = comparison_sentences(three, judged)
    assert [sentence.split(" diverged")[0] for sentence in said[3:5]] == ["warm", "clipped"]
    assert "not surely more or less often than plain: a difference of 0 percentage points" in said[3]
    assert said[-1] == "Of 2 remedies 2 help."
    assert not any("horizons" in sentence for sentence in said)


def test_horizons_that_differ_and_dimensions_that_are_not_shared_are_said(one: Analysis, tmp_path: Path) -> None:
    longer = dataclasses.replace(renamed(one, "longer"), frame=one.frame.assign(horizon=400))
    page = page_of([one, longer], tmp_path / "c.html")
    assert "Their horizons differ: compare the curves by step" in page.select("#summary .paragraph")[0].text
    assert "no remedy is judged" in page.select("#remedies figcaption")[0].text
    other = analysis_without(*ROLES)
    page = page_of([one, other], tmp_path / "d.html")
    assert "They search no dimension in common" in page.select("#summary .paragraph")[0].text
    assert page.select("#maps") == []


def test_a_study_without_trials_does_not_stand_in_the_way(one: Analysis, tmp_path: Path) -> None:
    empty = renamed(analyse(one.study, one.frame.head(0)), "empty")
    page = page_of([empty, one], tmp_path / "c.html")
    said = page.select("#summary .paragraph")[0].text
    assert "empty has no trials yet." in said
    assert "study cannot be compared with empty: one of them has no trials yet." in said


def test_json_has_the_studies_their_answers_and_the_remedies(three: list[Analysis], judged: Remedies) -> None:
    found = json.loads(json.dumps(comparison_json(three), allow_nan=False))
    assert found["studies"] == list(NAMES)
    assert [answer["study"] for answer in found["answers"]] == list(NAMES)
    assert found["answers"][0]["sentence"]
    assert [row["verdict"] for row in found["remedies"]] == ["helps", "helps"]
    assert found["remedies_note"] == judged.note
    assert found["settings"]["training.warmup_steps"] == {"plain": "0", "warm": "200", "clipped": "0"}
    assert {row["label"] for row in found["tables"]["survival-by-study"]} == set(NAMES)


@pytest.mark.browser
def test_three_studies_are_drawn_without_complaint(
    browser: Browser, three: list[Analysis], judged: Remedies, tmp_path: Path, complaints: list[str]
) -> None:
    write_comparison(tmp_path / "c.html", three, storage="here")
    page = opened(browser, tmp_path / "c.html", complaints)
    assert page.locator("figure.drawn .plot.js-plotly-plot").count() == page.locator("figure.drawn").count() >= 12
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function("document.documentElement.scrollWidth <= 390")
    page.close()
    assert complaints == []
