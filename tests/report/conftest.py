"""One browser, one report and one page for the tests of what a reader sees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from stability_sweep.report import write_study_report
from stability_sweep.results.telemetry import Telemetry
from stability_sweep.sources import StoredSource
from stability_sweep.storage import Database, Repository
from stability_sweep.targets.rhvae.signals import SIGNALS
from tests.conftest import build_study, diverges_above
from tests.report.browsing import CHROMIUM_FLAGS, VIEWPORT, opened
from tests.waiting import HANG_SECONDS


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="package")
def heard() -> list[str]:
    return []


@pytest.fixture
def complaints(heard: list[str]) -> list[str]:
    """Console errors, script errors and network requests of this test's pages."""
    heard.clear()
    return heard


@pytest.fixture(scope="package")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    database = Database.open(f"sqlite:///{folder / 'study.db'}", create=True)
    repository = Repository(database)
    study = build_study(repository, diverges_above(1e-3), trials=30)
    trial_id = repository.trial_ids(study, [0])[0]
    repository.save_telemetry(trial_id, Telemetry(np.arange(1, 41), np.full((40, len(SIGNALS)), 3.0), tuple(SIGNALS)))
    write_study_report(StoredSource(repository, study), folder / "report.html")
    database.close()
    return folder / "report.html"


@pytest.fixture(scope="package")
def open_page(browser: Browser, report: Path, heard: list[str]) -> Iterator[Page]:
    page = opened(browser, report, heard)
    yield page
    page.close()


@pytest.fixture
def page(open_page: Page, report: Path, complaints: list[str]) -> Page:
    """The report as it opens: always the same page, for drawing its figures takes seconds."""
    if not open_page.url.startswith(report.as_uri()):
        open_page.goto(report.as_uri())
        open_page.wait_for_selector("html[data-ready=yes]", timeout=1000 * HANG_SECONDS)
    open_page.set_viewport_size(VIEWPORT)
    open_page.evaluate("history.replaceState(null, '', location.pathname); restore(); tellProblems([]); scrollTo(0, 0)")
    return open_page
