"""For readers without a mouse, without eyes, without color, without scripts: axe-core finds nothing to say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from playwright.sync_api import Browser

from tests.report.browsing import VIEWPORT, opened

PHONE = {"viewport": {"width": 390, "height": 800}, "is_mobile": True, "has_touch": True}


@pytest.mark.browser
@pytest.mark.parametrize("device", [{"viewport": VIEWPORT}, PHONE], ids=["desktop", "phone"])
def test_axe_finds_no_violation_in_light_and_dark_with_everything_opened(
    browser: Browser, report: Path, complaints: list[str], device: dict[str, Any]
) -> None:
    page = opened(browser, report, complaints, **device)
    page.locator("#trial-table button.open").first.click()
    page.get_by_label("filter learning rate").fill("not a number")
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    for theme in ("light", "dark"):
        page.evaluate("theme => setTheme(theme)", theme)
        found = Axe().run(page).response["violations"]
        assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found] == []
    page.close()


@pytest.mark.browser
def test_without_scripts_the_first_map_is_seen_and_the_page_says_what_is_missing(
    browser: Browser, report: Path
) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 800}, java_script_enabled=False)
    page.goto(report.as_uri())
    # Playwright stops scripts, and Chromium goes on to hide what it has parsed for this case.
    page.evaluate("for (const part of document.querySelectorAll('noscript')) part.replaceWith(...part.childNodes)")
    still = page.locator("#maps svg.still")
    assert still.is_visible()
    assert still.locator("path").count() > 5
    assert page.get_by_text("Scripts are off.").is_visible()
    assert not page.locator("#theme, .controls, .download").first.is_visible()
    assert page.locator("#summary .paragraph").is_visible()
    page.close()


def test_the_still_picture_is_the_only_one_and_small(report: Path) -> None:
    page = BeautifulSoup(report.read_text(encoding="utf-8"), "html.parser")
    (still,) = page.select("svg.still")
    assert len(str(still)) < 40_000
    assert still.find_parent("figure") is page.select("#maps figure")[0]
    assert "learning rate" in still.text
    assert {"stable", "diverged"} <= {label.text for label in still.select("text")}
