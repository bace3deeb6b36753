"""Studies that nobody would design: each has a page that fits a telephone and draws without an error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from stability_sweep.analysis import analyse
from stability_sweep.report.study_report import write_report
from stability_sweep.results.outcome import LOSS_FIELDS, Outcome
from stability_sweep.sources.frame import column_names, frame_of
from stability_sweep.sources.protocol import StudyFacts
from stability_sweep.space.dimensions import Range
from stability_sweep.space.search_space import SearchSpace
from tests.report.browsing import opened

pytestmark = pytest.mark.browser

LONG = "x" * 500


def write(path: Path, outcomes: Sequence[Outcome], *, dimensions: int = 2, name: str = "odd") -> None:
    space = SearchSpace({f"{name[:80]}_{place}": Range(low=0.0, high=1.0) for place in range(dimensions)})
    records = [
        {
            "number": number,
            "outcome": outcome.value,
            "steps": 5,
            "divergence_step": 3 if outcome is Outcome.DIVERGED else None,
            "horizon": 5,
            **{dimension: (0.37 * number + 0.11 * place) % 1.0 for place, dimension in enumerate(space)},
            **({} if outcome is Outcome.FAILED else dict.fromkeys(LOSS_FIELDS, 30.0)),
            "failure": LONG if outcome is Outcome.FAILED else None,
        }
        for number, outcome in enumerate(outcomes)
    ]
    facts = StudyFacts(name=name, space=space, subject="a network", description=LONG)
    write_report(path, analyse(facts, frame_of(records, column_names(space))), storage=LONG)


@pytest.mark.parametrize(
    ("outcomes", "dimensions", "name"),
    [
        ([Outcome.STABLE], 2, "one"),
        ([Outcome.DIVERGED] * 8, 2, "alike"),
        ([Outcome.FAILED] * 4, 2, "failed"),
        ([Outcome.STABLE, Outcome.DIVERGED] * 6, 2, LONG),
        ([Outcome.STABLE, Outcome.DIVERGED] * 6, 30, "many"),
    ],
    ids=["one trial", "one outcome", "failed only", "500 letters", "30 dimensions"],
)
def test_an_odd_study_has_a_page_that_fits_a_telephone_and_draws_without_an_error(
    browser: Browser,
    complaints: list[str],
    tmp_path: Path,
    outcomes: list[Outcome],
    dimensions: int,
    name: str,
) -> None:
    write(tmp_path / "r.html", outcomes, dimensions=dimensions, name=name)
    page = opened(browser, tmp_path / "r.html", complaints, viewport={"width": 390, "height": 800})
    page.locator("#trial-table button.open").first.click()
    assert page.locator("#trial-table tr.detail").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert complaints == []
    page.close()
