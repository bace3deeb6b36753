"""The first lines of the page: what they say, and what they say to a reader who asks something else."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Page

from stability_sweep.analysis.answer import NONE_IS_SAFE, NOT_SEARCHED, SAFE, UNKNOWN, Answer, Wanted
from stability_sweep.report.answer_words import answer_json, answer_sentence, answer_sentences, cost_sentence
from stability_sweep.sources import facts_of
from tests.conftest import make_definition

FACTS = facts_of(make_definition(data={"dataset": "mnist", "training_images": 10000, "validation_images": 500}))

SAFE_UP_TO = Answer(
    0.05,
    status=SAFE,
    learning_rate=1.2e-3,
    batch_size=16,
    clip_norm=math.inf,
    horizon_steps=150,
    expected=(26.04, 25.91, 26.25),
    price=0.776,
)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            SAFE_UP_TO,
            "Use a learning rate up to 0.0012 at batch size 16, clip norm off: P(diverge) at most 5% within 150 steps "
            "(0.24 epochs), 90% sure.",
        ),
        (
            replace(SAFE_UP_TO, is_all=True, learning_rate=0.1, batch_size=None, clip_norm=None, horizon_steps=1),
            "Use any learning rate of this study (up to 0.1): P(diverge) at most 5% within 1 step, 90% sure.",
        ),
        (
            Answer(0.05, status=NONE_IS_SAFE, horizon_steps=150),
            "No learning rate of this study keeps P(diverge) at most 5% within 150 steps, 90% sure: search smaller "
            "ones.",
        ),
        (
            Answer(0.005, status=UNKNOWN, horizon_steps=150, wanted=Wanted(64, 16, math.inf, 1e-4, 6e-4)),
            "Not enough trials to say which learning rate keeps P(diverge) at most 0.5% within 150 steps; about 64 "
            "more at batch size 16, clip norm off and learning rates from 0.0001 to 0.0006 would.",
        ),
        (
            Answer(0.05, status=UNKNOWN, horizon_steps=150, wanted=Wanted(None, None, None, 1e-4, 1e-4)),
            "Not enough trials to say which learning rate keeps P(diverge) at most 5% within 150 steps; not even 512 "
            "more at a learning rate of 0.0001 would: search smaller ones, or allow more.",
        ),
        (
            Answer(0.05, status=NOT_SEARCHED),
            "This study does not search the learning rate, so it cannot say which one is safe.",
        ),
        (None, "Not enough trials to say anything yet: a map needs 5 trials with an outcome."),
    ],
)
def test_the_answer_is_one_sentence_with_tolerance_horizon_and_how_sure(answer: Answer | None, sentence: str) -> None:
    assert answer_sentence(answer, FACTS) == sentence


def test_what_it_costs_is_said_with_its_band_and_only_where_it_is_known() -> None:
    assert cost_sentence(SAFE_UP_TO) == (
        "Expected yardstick there: 26.04 (90% band 25.91 to 26.25; lower is better), 0.776 above what the best riskier "
        "setting promises: that is the price of safety."
    )
    assert cost_sentence(replace(SAFE_UP_TO, price=-0.1)).endswith("no riskier rate promises more.")
    assert cost_sentence(replace(SAFE_UP_TO, expected=None, price=None)) == ""
    assert cost_sentence(Answer(0.05)) == ""


def test_every_setting_that_it_is_conditional_on_is_named_right_after_it() -> None:
    rates = {"low": 1e-5, "high": 1e-1, "log": True}
    space = {"learning_rate": rates, "batch_size": [16, 64], "training.warmup_steps": [0, 100]}
    facts = facts_of(make_definition(search_space=space))
    conditions = "Baseline: training.warmup steps 0 (the definition's own)."
    assert answer_sentences(SAFE_UP_TO, facts)[1] == conditions
    assert answer_json(SAFE_UP_TO, facts)["sentence"] == f"{answer_sentence(SAFE_UP_TO, facts)} {conditions}"


def test_programs_read_the_same() -> None:
    told = answer_json(SAFE_UP_TO, FACTS)
    expected: dict[str, Any] = {
        "known": True,
        "learning_rate": 1.2e-3,
        "batch_size": 16,
        "clip_norm": "inf",
        "horizon_steps": 150,
        "tolerance": 0.05,
        "confidence": 0.9,
    }
    assert expected.items() <= told.items()
    assert told["horizon_epochs"] == pytest.approx(0.24)
    infinite = answer_json(replace(SAFE_UP_TO, expected=(math.inf, math.inf, math.inf), price=None), FACTS)
    assert (infinite["expected_yardstick"], infinite["price"]) == ("inf", None)
    unknown = answer_json(None, FACTS)
    assert (unknown["known"], unknown["learning_rate"]) == (False, None)
    assert unknown["sentence"] == answer_sentence(None, FACTS)


@pytest.mark.browser
def test_another_horizon_or_tolerance_changes_answer_and_maps_and_is_kept_in_the_address(
    page: Page, complaints: list[str]
) -> None:
    line = page.locator("#answer p").first
    own = line.inner_text()
    assert "P(diverge) at most 5% within 100 steps" in own
    by_step = page.locator("input[data-follows=horizon]")
    slice_before = by_step.input_value()
    page.locator("#tolerance").select_option("50%")
    page.locator("#horizon").select_option(index=0)
    assert "P(diverge) at most 50% within" in line.inner_text()
    assert by_step.input_value() != slice_before
    assert "tolerance=50%" in page.evaluate("decodeURIComponent(location.hash)")
    drawn = page.evaluate(
        "[...document.querySelectorAll('.plot')].filter(plot => plot.hasTolerance).flatMap(plot => plot.data"
        ".filter(trace => trace.type === 'contour' && trace.meta.key === 'tolerance line' && trace.visible === true)"
        ".map(trace => trace.contours.start))"
    )
    assert drawn
    assert set(drawn) == {0.5}
    page.evaluate("history.replaceState(null, '', location.pathname); restore()")
    assert line.inner_text() == own
    assert complaints == []
