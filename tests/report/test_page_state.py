"""What a reader chose is in the address: a copied link shows what its sender saw."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.waiting import HANG_SECONDS

pytestmark = pytest.mark.browser


def fragment(page: Page) -> str:
    found: str = page.evaluate("decodeURIComponent(location.hash)")
    return found


def goes_to(page: Page, address: str) -> None:
    """As a reader who changes the address of the open page."""
    page.evaluate("address => new Promise(done => { onhashchange = done; location.hash = address; })", address)


def look(page: Page) -> dict[str, object]:
    script = """() => ({
      slice: document.querySelector('#maps input[type=range]').value,
      mode: document.querySelector('#maps input[type=radio]:checked').value,
      theme: document.documentElement.dataset.theme,
      outcome: document.querySelector('#outcome-filter').value,
      rows: [...document.querySelectorAll('#trial-table tbody tr[data-trial]')].map(line => line.dataset.trial),
      open: document.querySelectorAll('#trial-table tr.detail').length,
      sorted: document.querySelector('#trial-table [aria-sort]')?.textContent ?? '',
    })"""
    found: dict[str, object] = page.evaluate(script)
    return found


def test_a_copied_link_shows_what_the_sender_saw_and_back_undoes_it(
    browser: Browser, page: Page, report: Path, complaints: list[str]
) -> None:
    as_opened = look(page)
    assert fragment(page) == ""
    page.locator("#maps input[type=range]").first.focus()
    page.keyboard.press("ArrowRight")
    page.locator("#maps input[value=counts]").first.check()
    page.locator("#outcome-filter").select_option("diverged")
    page.get_by_label("filter learning rate").fill(">1e-2")
    heading = page.locator("#trial-table th button", has_text="learning rate")
    heading.click()
    heading.click()
    page.locator("#trial-table button.open").nth(1).click()
    page.locator("#theme").click()
    sent, saw = page.url, look(page)
    slider, second = saw["slice"], saw["rows"][1]  # type: ignore[index]
    chosen = f"maps1.slice={slider}&maps1.mode=counts&filter.outcome=diverged&filter.learning_rate=>1e-2"
    assert fragment(page) == f"#theme=dark&{chosen}&sort=-learning_rate&open={second}"
    page.goto("about:blank")
    page.goto(sent)
    page.wait_for_selector("html[data-ready=yes]", timeout=1000 * HANG_SECONDS)
    assert look(page) == saw

    goes_to(page, "#theme=light&sort=batch_size")
    assert look(page) == {**as_opened, "rows": look(page)["rows"], "sorted": "batch size"}
    page.go_back()
    page.wait_for_function("location.hash.includes('maps1.slice')")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    assert look(page) == saw
    assert complaints == []


def test_a_link_to_a_section_goes_there_and_keeps_what_was_chosen(page: Page) -> None:
    page.locator("#maps input[value=counts]").first.check()
    page.locator("nav a[href='#limits']").click()
    page.wait_for_function("location.hash.includes('mode')")
    assert fragment(page) == "#limits&maps1.mode=counts"
    assert abs(page.locator("#limits").bounding_box()["y"]) < 5  # type: ignore[index]
    assert page.locator("#maps input[value=counts]").first.is_checked()


def test_an_address_that_nobody_could_have_copied_is_ignored(page: Page, complaints: list[str]) -> None:
    as_opened = look(page)
    goes_to(
        page,
        "#%E0%A4%A&maps1.slice=99&maps1.mode=x&maps7.slice=1&filter.outcome=no&filter.no=1&sort=no&open=abc,9999&page=0&theme=no&=&&%",
    )
    assert look(page) == as_opened
    page.locator("#outcome-filter").select_option("stable")
    page.locator("#outcome-filter").select_option("")
    assert "no" not in fragment(page)
    assert complaints == []
