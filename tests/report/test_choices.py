"""What follows the reader's horizon and tolerance beside the answer: the speed limit and the best settings."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page

from stability_sweep.analysis import Analysis, table_names
from stability_sweep.analysis.best import NEIGHBOUR
from stability_sweep.analysis.ranking import fit_ranking
from stability_sweep.report import analyse_study
from stability_sweep.report.asked import asked_questions
from stability_sweep.report.files.json_file import json_rows, report_json
from stability_sweep.report.panels.registry import report_sections
from stability_sweep.report.questions import answer_block
from stability_sweep.results.numbers import DIGITS
from stability_sweep.results.outcome import Divergence, Outcome, Symptom, TrialResult
from stability_sweep.sources import StoredSource
from stability_sweep.sources.frame import counted
from stability_sweep.storage import Database, Repository
from tests.conftest import Judge, build_study, make_result
from tests.report.browsing import opened
from tests.waiting import HANG_SECONDS


@pytest.mark.browser
def test_another_horizon_or_tolerance_changes_speed_limit_and_best_settings_on_screen_and_in_a_copied_link(
    browser: Browser, page: Page, report: Path, complaints: list[str]
) -> None:
    own = what_follows(page)
    assert "at most 5%" in own["limits title"]
    assert "within 100 steps" in own["limits"]
    assert own["limits button"] == "Table (CSV)"
    page.locator("#tolerance").select_option("50%")
    other = what_follows(page)
    page.locator("#horizon").select_option(index=0)
    first = what_follows(page)
    within = page.locator("#horizon option").first.inner_text()
    assert "at most 50%" in first["limits title"]
    for key in ("limits", "best"):
        assert f"P(diverge within {within}) at most 50%" in first[key]
    assert first["marks"] != own["marks"]
    assert len({each["best table"] for each in (own, other, first)}) > 1
    assert first["limits button"] == "Table (CSV) for at most 5% within 100 steps"
    sent = opened(browser, report, complaints)
    sent.goto(page.url)
    sent.reload()
    sent.wait_for_selector("html[data-ready=yes]", timeout=1000 * HANG_SECONDS)
    assert what_follows(sent) == first
    sent.close()
    page.evaluate("history.replaceState(null, '', location.pathname); restore()")
    assert what_follows(page) == own
    assert complaints == []


def what_follows(page: Page) -> dict[str, Any]:
    """What the page says of the speed limit and of the best settings."""
    found: dict[str, Any] = page.evaluate(
        """() => {
          const [limits, best] = ['limits1', 'best1'].map(key => document.querySelector(`[data-key=${key}]`));
          const text = (panel, part) => panel.querySelector(part).textContent;
          return {
            'limits title': text(limits, 'h3'), limits: text(limits, 'figcaption'), best: text(best, 'figcaption'),
            marks: limits.querySelector('.plot')._fullData.map(trace => [...trace.y]),
            'best table': [...best.querySelectorAll('td')].map(cell => cell.textContent).join(' '),
            'limits button': text(limits, '.download'),
          };
        }"""
    )
    return found


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    """A study in which later steps and larger rates diverge."""
    database = Database.open(f"sqlite:///{tmp_path_factory.mktemp('asked') / 'study.db'}", create=True)
    repository = Repository(database)
    analysis = analyse_study(StoredSource(repository, build_study(repository, late_above(1e-3), trials=60)))
    database.close()
    return analysis


def late_above(limit: float) -> Judge:
    """The larger the rate, the sooner; the smaller, the better."""

    def judge(point: dict[str, Any]) -> TrialResult:
        rate = float(point["learning_rate"])
        if rate <= limit:
            return make_result(yardstick=29.0 - math.log10(rate))
        step = max(1, min(99, round(100 * limit / rate)))
        return make_result(Outcome.DIVERGED, steps=step, divergence=Divergence(step=step, symptom=Symptom.NAN_LOSS))

    return judge


def test_an_exhibit_that_follows_has_every_choice_of_the_page_and_its_own_among_them(followed: Analysis) -> None:
    block = answer_block(followed)
    sections = {section.key: section for section in report_sections(followed)}
    horizon, tolerance = block.first
    for key in ("limits", "best"):
        exhibit = sections[key].exhibits[0]
        assert [len(row) for row in exhibit.choices] == [len(block.tolerances)] * len(block.horizons)
        own = exhibit.choices[horizon][tolerance]
        assert (own.title, own.caption) == (exhibit.title, exhibit.caption)
        assert len({choice.caption for row in exhibit.choices for choice in row}) > len(block.tolerances)
    assert [choice.title for choice in sections["limits"].exhibits[0].choices[0]] == [
        f"largest learning rate with P(diverge) at most {tolerance}" for tolerance in block.tolerances
    ]


def test_at_a_larger_tolerance_no_limit_is_lower_and_the_earlier_the_better_are_the_best(followed: Analysis) -> None:
    questions = asked_questions(followed)
    for row in questions:
        for less, more in pairwise(row):
            lower, higher = (followed.limits_by_question[question]["limit"] for question in (less, more))
            both = lower.notna() & higher.notna()
            assert (lower[both] <= higher[both]).all()
    best = [followed.best_by_question[row[-1]]["expected"].min() for row in questions]
    assert best == sorted(best)


def test_every_choice_of_best_settings_is_as_a_plain_count_finds_it(followed: Analysis) -> None:
    frame, space, surface = followed.frame, followed.study.space, followed.surface
    ranking = fit_ranking(frame, space)
    assert surface is not None
    assert ranking is not None
    stable = frame[frame["outcome"] == "stable"]
    stable = stable.join(ranking.predict(stable)).sort_values("expected", kind="stable")
    neighbours = (surface.nearness(stable, counted(frame)) >= NEIGHBOUR).sum(axis=1) - 1
    found = set()
    for question, best in followed.best_by_question.items():
        probability = surface.predict(stable, question.steps)["probability"]
        wanted = stable["number"][(probability <= question.tolerance) & (neighbours >= 3)].head(5)
        assert best["number"].tolist() == wanted.tolist()
        assert best["probability"].tolist() == pytest.approx(probability[wanted.index].tolist())
        found.add(tuple(wanted))
    assert len(found) > 1


def test_the_studys_own_question_is_one_of_them(followed: Analysis) -> None:
    own = followed.question
    pd.testing.assert_frame_equal(followed.limits_by_question[own], followed.limits)
    pd.testing.assert_frame_equal(followed.best_by_question[own], followed.best)
    assert own in {question for row in asked_questions(followed) for question in row}


def test_files_keep_the_studys_own_question(followed: Analysis) -> None:
    tables = report_json(followed)["tables"]
    for name, table in ((table_names.SPEED_LIMITS, followed.limits), (table_names.BEST, followed.best)):
        assert tables[name] == json_rows(table, digits=DIGITS)
