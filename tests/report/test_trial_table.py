"""The table of trials: columns in the order of their use, a filter for each, and rows that stay open."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Page

from stability_sweep.report.page.payload import Payload
from stability_sweep.results import columns

VALUES: list[Any] = [0.005, 0.0123, 64, 0.00368421, "nan", "inf", "off", None]


def rows(page: Page) -> list[str]:
    script = "[...document.querySelectorAll('#trial-table tbody tr[data-trial]')].map(line => line.dataset.trial)"
    found: list[str] = page.evaluate(script)
    return found


def clicked(page: Page, number: int) -> None:
    """What Plotly tells when a reader clicks on a mark."""
    points = {"points": [{"data": {"meta": {"trials": True}}, "customdata": number}]}
    page.evaluate("points => document.querySelector('#maps .plot').emit('plotly_click', points)", points)


def test_a_trials_row_says_first_how_it_ended_where_and_how_good_it_was_with_all_digits() -> None:
    frame = pd.DataFrame(
        {
            columns.NUMBER: [0],
            "rate": [1 / 3],
            "clip": [math.inf],
            columns.STEPS: [5],
            columns.OUTCOME: ["stable"],
            columns.VALIDATION_LOSS: [math.pi],
            "yardstick": [2.5],
            columns.WORKER: ["host:1"],
        }
    )
    payload = Payload.of(frame, {"trials": frame}, {}, ["rate", "clip"])
    assert payload.columns == ["number", "outcome", "rate", "clip", "yardstick", "validation_loss", "steps"]
    assert payload.trials == [[0, "stable", 1 / 3, "off", 2.5, math.pi, 5]]
    assert str(math.pi) in payload.csv["trials"]


@pytest.mark.browser
def test_a_filter_of_numbers_means_what_it_says(page: Page) -> None:
    wanted = {
        "": VALUES,
        "64": [64],
        ">0.01": [0.0123, 64, "inf"],
        "<=64": [0.005, 0.0123, 64, 0.00368421],
        "< 0.005": [0.00368421],
        "1e-3..0.01": [0.005, 0.00368421],
        "0.003684": [0.00368421],  # as far as the table shows it
        "nan": ["nan"],
        "OFF": ["off"],
        "-": [None],
        "64, off": [64, "off"],
    }
    found = page.evaluate(
        "([texts, values]) => texts.map(text => values.filter(numberTest(text)))", [[*wanted], VALUES]
    )
    assert dict(zip(wanted, found, strict=True)) == wanted
    wrong = ["much", ">", "1..", "1..2..3", "0x10", "Infinity", "64;128"]
    assert page.evaluate("texts => texts.map(numberTest)", wrong) == [None] * len(wrong)


@pytest.mark.browser
def test_a_number_is_shown_with_four_digits_and_told_whole_under_the_pointer(page: Page) -> None:
    shown = page.evaluate("[1/3, 12345, 123456.7, 1.5e-5, 64, 2e7+0.5, null, 'nan', 'exp_overflow'].map(shownValue)")
    assert shown == ["0.3333", "12345", "123500", "1.5e-5", "64", "2e+7", "–", "nan", "exp overflow"]
    cell = page.locator("#trial-table tbody td:nth-child(3)").first
    assert cell.evaluate("cell => getComputedStyle(cell).textAlign") == "right"
    assert len(str(cell.get_attribute("title"))) > len(cell.inner_text())


@pytest.mark.browser
def test_what_a_filter_does_not_understand_is_said_and_ignored(page: Page) -> None:
    field = page.get_by_label("filter learning rate")
    field.fill("very small")
    assert len(rows(page)) == 30
    assert "“very small” under learning rate" in page.locator("#filter-problem").inner_text()
    assert field.get_attribute("aria-invalid") == "true"
    field.fill("<1e-3")
    assert page.locator("#filter-problem").inner_text() == ""
    assert 0 < len(rows(page)) < 30
    page.get_by_label("filter divergence signal").fill("nan")
    assert rows(page) == []  # what diverged in this world had a larger rate
    page.locator("#clear-filters").click()
    assert len(rows(page)) == 30


@pytest.mark.browser
def test_an_opened_row_stays_open_through_sorting_filtering_and_paging(page: Page) -> None:
    first = page.locator("#trial-table tr[data-trial='3'] + tr.detail")
    page.locator("#trial-table tr[data-trial='3'] button").click()
    page.locator("#trial-table th button", has_text="learning rate").click()
    assert first.count() == 1
    page.locator("#text-filter").fill("no such text")
    assert first.count() == 0
    page.locator("#text-filter").fill("")
    assert first.count() == 1
    page.locator("#trial-table tr[data-trial='3'] button").click()
    assert first.count() == 0


@pytest.mark.browser
def test_a_click_on_a_mark_opens_its_trial_whatever_hides_it(page: Page, complaints: list[str]) -> None:
    page.locator("#text-filter").fill("no such text")
    clicked(page, 7)
    line = page.locator("#trial-table tr[data-trial='7']")
    assert page.locator("#trial-table tr[data-trial='7'] + tr.detail").count() == 1
    box = line.bounding_box()
    assert box is not None
    assert 0 <= box["y"] <= 900
    assert len(rows(page)) == 30
    assert page.evaluate("location.hash") == "#trials&open=7"
    page.go_back()
    page.wait_for_selector("#trial-table tr.detail", state="detached")
    clicked(page, 12345)
    assert "Trial 12345 is not among" in page.locator("#filter-problem").inner_text()
    assert complaints == []


@pytest.mark.browser
def test_an_opened_trial_shows_all_signals_and_says_what_of_them_is_left_out(page: Page) -> None:
    page.locator("#trial-table button.open").first.click()
    said = page.locator(".signals p").inner_text()
    assert said.startswith("All 14 signals, from step 1 to step 40: 16 to 40 of the 40 steps that are stored")
