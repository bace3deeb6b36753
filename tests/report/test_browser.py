"""The report in a real browser: it draws, it sorts, it reports no error and asks the network for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from stability_sweep.analysis import study_frame
from stability_sweep.report import write_report
from stability_sweep.storage import Repository
from tests.conftest import StudyBuilder, diverges_above

pytestmark = pytest.mark.browser

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def complaints() -> list[str]:
    """Console errors, script errors and network requests."""
    return []


@pytest.fixture
def page(
    chromium: str, repository: Repository, finished_study: StudyBuilder, tmp_path: Path, complaints: list[str]
) -> Iterator[Page]:
    study = finished_study(diverges_above(1e-3), trials=30)
    path = tmp_path / "report.html"
    write_report(path, study.definition, study_frame(repository, study), asked=study.definition, storage="here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        opened = browser.new_page(viewport={"width": 1240, "height": 900})
        opened.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on(
            "request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else complaints.append(r.url)
        )
        opened.goto(path.as_uri())
        opened.wait_for_selector("html[data-drawn=yes]", timeout=30_000)
        yield opened
        browser.close()


def test_everything_is_drawn_without_complaint(page: Page, complaints: list[str]) -> None:
    assert page.locator(".plot .main-svg").count() >= 5
    assert page.locator("#maps .heatmaplayer image, #maps .heatmaplayer .hm").count() >= 3
    assert page.locator("#maps figure >> nth=0").locator(".scatterlayer .point").count() == 30
    assert page.locator("#maps figure >> nth=0").locator(".annotation").count() >= 3
    assert complaints == []


def test_nothing_offers_to_upload_the_figures(page: Page) -> None:
    assert page.locator('[data-title*="cloud" i], [data-title*="Chart Studio" i]').count() == 0


def test_the_page_fits_a_telephone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_table_sorts_by_number_both_ways(page: Page) -> None:
    heads = page.locator("#trials th").all_inner_texts()
    place = heads.index("learning rate")
    button = page.locator("#trials th button").nth(place)

    def shown() -> list[float]:
        cells = page.locator(f"#trials tbody td:nth-child({place + 1})")
        return [float(cell.get_attribute("data-sort") or "nan") for cell in cells.all()]

    button.click()
    assert shown() == sorted(shown())
    button.click()
    assert shown() == sorted(shown(), reverse=True)
