"""Paper: full pages, nothing cut, nothing shrunk, whatever the size of the paper and of the study."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from stability_sweep.report import write_study_report
from stability_sweep.sources import StoredSource
from stability_sweep.storage import Database, Repository
from tests.conftest import build_study, diverges_above
from tests.report.browsing import opened
from tests.report.paper import printed
from tests.studies import LARGE_STUDY, build_large_study
from tests.waiting import HANG_SECONDS

pytestmark = pytest.mark.browser

MOST_EMPTY = 0.25
A4_WIDTH = 703
"""Pixels between the margins."""


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of five trials."""
    folder = tmp_path_factory.mktemp("few")
    database = Database.open(f"sqlite:///{folder / 'study.db'}", create=True)
    repository = Repository(database)
    study = build_study(repository, diverges_above(1e-3), trials=5)
    write_study_report(StoredSource(repository, study), folder / "report.html")
    database.close()
    return folder / "report.html"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of 448 trials."""
    folder = tmp_path_factory.mktemp("many")
    url = f"sqlite:///{folder / 'study.db'}"
    build_large_study(url, 448, seed=0)
    database = Database.open(url)
    repository = Repository(database)
    study = repository.find_study(LARGE_STUDY)
    assert study is not None
    write_study_report(StoredSource(repository, study), folder / "report.html")
    database.close()
    return folder / "report.html"


@pytest.fixture(params=["few", "report", "many"])
def any_report(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


def test_no_page_but_the_last_is_emptier_than_a_quarter_and_no_heading_stands_alone(
    browser: Browser, any_report: Path, complaints: list[str], tmp_path: Path
) -> None:
    page = opened(browser, any_report, complaints)
    headings = {text.strip() for text in page.locator("h2, h3").all_inner_texts() if text.strip()}
    for size in ("A4", "Letter"):
        sheets = printed(page, tmp_path / f"{size}.pdf", size)
        assert [round(sheet.empty, 2) for sheet in sheets[:-1] if sheet.empty > MOST_EMPTY] == []
        lines = [column.split("\n") for sheet in sheets for column in sheet.columns if column.strip()]
        ends = {[line for line in column if line.strip()][-1].strip() for column in lines}
        assert ends & headings == set()
    page.close()


def test_figures_and_rows_are_kept_whole_and_nothing_is_wider_than_paper(
    browser: Browser, any_report: Path, complaints: list[str]
) -> None:
    """What is wider makes the browser shrink all of the page."""
    page = opened(browser, any_report, complaints, viewport={"width": A4_WIDTH, "height": 1032})
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.documentElement.scrollWidth") <= A4_WIDTH
    breaks = "found => [...new Set(found.map(each => getComputedStyle(each).breakInside))]"
    assert page.locator(".plot, tr:not(.detail)").evaluate_all(breaks) == ["avoid"]
    wide = """found => found.filter(plot => {
      const figure = plot.getBoundingClientRect(), drawn = plot.querySelector('.main-svg').getBoundingClientRect();
      return drawn.right > figure.right + 1 || drawn.bottom > figure.bottom + 1;
    }).length"""
    assert page.locator(".plot.js-plotly-plot").evaluate_all(wide) == 0
    page.close()


def test_columns_that_say_the_same_of_all_trials_or_find_no_room_are_told_instead(page: Page) -> None:
    script = """() => {
      dispatchEvent(new Event('beforeprint'));
      const all = [...document.querySelectorAll('#trial-table th')];
      const heads = all.filter(head => !head.hidden).map(head => head.textContent);
      const cells = document.querySelector('#trial-table tr[data-trial]').cells.length;
      const said = byId('printed').textContent;
      dispatchEvent(new Event('afterprint'));
      return [heads, cells, said, all.some(head => head.hidden)];
    }"""
    heads, cells, said, is_hidden_after = page.evaluate(script)
    assert cells == len(heads)
    assert heads[:3] == ["number", "outcome", "learning rate"]
    assert "horizon" not in heads
    assert "In all of them: " in said
    assert "horizon 100" in said
    assert re.search("In none of them: .*divergence origin", said)
    assert not is_hidden_after


def test_paper_has_the_method_open_and_the_screen_has_it_back(page: Page) -> None:
    script = "[document.querySelectorAll('.flow dl').length, document.querySelectorAll('#appendix dl').length]"
    assert page.evaluate(script) == [0, 1]
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(script) == [1, 0]
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(script) == [0, 1]


def test_figures_are_as_high_as_before_when_they_are_back_from_paper_or_take_a_new_width(page: Page) -> None:
    script = """() => {
      const heightOf = part => part.getBoundingClientRect().height;
      return [...document.querySelectorAll('.plot.js-plotly-plot')].map(plot =>
        ['.svg-container', '.main-svg'].map(part => heightOf(plot.querySelector(part))));
    }"""
    before = page.evaluate(script)
    assert all(frame == figure > 0 for frame, figure in before)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.set_viewport_size({"width": 390, "height": 900})
    width = "document.querySelector('#maps .main-svg').getBoundingClientRect().width"
    page.wait_for_function(f"{width} < 390", timeout=1000 * HANG_SECONDS)
    page.wait_for_function(
        f"before => JSON.stringify(({script})()) === before", arg=json.dumps(before, separators=(",", ":"))
    )
