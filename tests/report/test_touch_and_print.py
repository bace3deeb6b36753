"""A finger scrolls the page wherever it begins, nothing covers a legend, and paper holds everything."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.report.browsing import opened
from tests.waiting import HANG_SECONDS

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 800}, "is_mobile": True, "has_touch": True}


def test_a_swipe_that_begins_on_a_map_scrolls_the_page_and_leaves_the_map(
    browser: Browser, report: Path, complaints: list[str]
) -> None:
    page = opened(browser, report, complaints, **PHONE)
    page.evaluate("document.querySelector('#maps .plot').scrollIntoView({ block: 'center' })")
    look = (
        "[scrollY, JSON.stringify(['xaxis', 'yaxis'].map(a => document.querySelector('#maps .plot').layout[a].range))]"
    )
    before, ranges = page.evaluate(look)
    box = page.locator("#maps .plot .nsewdrag").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    finger = page.context.new_cdp_session(page)
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for moved in range(20, 220, 20):
        points = [{"x": x, "y": y - moved}]
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": points})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function(f"scrollY > {before} + 100")
    assert page.evaluate(look)[1] == ranges
    assert page.locator(".modebar").count() == 0
    assert complaints == []
    page.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_mode_bar_lies_below_its_figure(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    script = """[...document.querySelectorAll('.plot.js-plotly-plot')].map(plot => {
      const bar = plot.querySelector('.modebar').getBoundingClientRect();
      const next = plot.nextElementSibling.nextElementSibling.getBoundingClientRect();
      return [bar.top - plot.querySelector('.main-svg').getBoundingClientRect().bottom, next.top - bar.bottom];
    })"""
    assert len(page.evaluate(script)) >= 8
    # Figures take a new width a moment after the window does.
    page.wait_for_function(f"{script}.every(([below, above]) => below >= 0 && above >= 0)", timeout=1000 * HANG_SECONDS)


def test_a_title_that_is_longer_than_its_axis_takes_several_lines_and_none_where_there_is_room(page: Page) -> None:
    script = """() => [...document.querySelectorAll('.plot.js-plotly-plot')].flatMap(plot => {
      const whole = plot.querySelector('.main-svg').getBoundingClientRect();
      return [...plot.querySelectorAll('.infolayer [class$=title]')].map(title => {
        const box = title.getBoundingClientRect();
        const ends = [box.left - whole.left, whole.right - box.right, box.top - whole.top, whole.bottom - box.bottom];
        return [title.textContent, Math.min(...ends), title.querySelectorAll('tspan').length];
      });
    })"""
    wrapped, width = (
        "rise of the Brier score when",
        "document.querySelector('#effects .main-svg').getBoundingClientRect().width",
    )
    for size, lines in ((390, 2), (1240, 0)):
        page.set_viewport_size({"width": size, "height": 900})
        page.wait_for_function(f"({width} < 390) === {str(size == 390).lower()}", timeout=1000 * HANG_SECONDS)
        wanted = f"({script})().filter(([text]) => text.startsWith('{wrapped}')).every(each => each[2] === {lines})"
        page.wait_for_function(wanted, timeout=1000 * HANG_SECONDS)
        titles = page.evaluate(script)
        assert len(titles) >= 15
        assert [text for text, room, _ in titles if room < -1] == []


def test_paper_holds_all_trials_in_light_colors_and_the_screen_comes_back(page: Page) -> None:
    page.locator("#theme").click()
    look = """() => [
      document.documentElement.dataset.theme, document.querySelectorAll('#trial-table tr[data-trial]').length,
      document.querySelector('#maps .plot .main-svg').getBoundingClientRect().width, byId('printed').textContent]"""
    on_screen = page.evaluate(look)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    on_paper = page.evaluate(look)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(look) == on_screen
    assert on_screen[0] == "dark"
    assert on_paper[0] == "light"
    assert on_paper[1] == 30
    assert on_paper[3].startswith("30 trials; all are printed.")


def test_more_trials_than_a_page_shows_are_printed_and_more_than_paper_bears_are_told(page: Page) -> None:
    """The table with copies of its trials."""
    script = """count => {
      const rows = table.rows;
      table.rows = identified(Array.from({ length: count }, (_, number) => [number, ...rows[0].values.slice(1)]));
      dispatchEvent(new Event('beforeprint'));
      const said = byId('printed').textContent.split(' In all of them: ')[0];
      const found = [document.querySelectorAll('#trial-table tr[data-trial]').length, said];
      dispatchEvent(new Event('afterprint'));
      const after = document.querySelectorAll('#trial-table tr[data-trial]').length;
      table.rows = rows;
      return [...found, after];
    }"""
    assert page.evaluate(script, 120) == [120, "120 trials; all are printed.", 50]
    said = "1000 trials; the first 300 are printed, in the order of the table. The CSV has all."
    assert page.evaluate(script, 1000) == [300, said, 50]
