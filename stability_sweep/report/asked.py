"""What a reader may ask, by horizon and tolerance, and exhibits that follow that choice."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from stability_sweep.analysis import Analysis
from stability_sweep.analysis.answer import Answer, Question
from stability_sweep.report.blocks import Exhibit, Table


def asked_horizons(answers: Iterable[Answer]) -> list[int | None]:
    """The study's own is the longest: it comes last."""
    return [*sorted({each.steps for each in answers if each.steps is not None}), None]


def asked_questions(analysis: Analysis) -> list[list[Question]]:
    """What the reader may choose, by horizon and tolerance, in their order; empty where there is no choice."""
    answers = analysis.answers
    if analysis.by_step is None or not answers:
        return []
    tolerances = sorted({each.tolerance for each in answers})
    return [[Question(steps, tolerance) for tolerance in tolerances] for steps in asked_horizons(answers)]


def with_choices(analysis: Analysis, build: Callable[[Analysis, Question], Exhibit]) -> Exhibit:
    """An exhibit that follows the reader's choice.

    Args:
        analysis: the study in numbers.
        build: what it is for a question.
    """
    own = build(analysis, analysis.question)
    choices = [
        [own if question == analysis.question else build(analysis, question) for question in row]
        for row in asked_questions(analysis)
    ]
    tables = [choice.table for row in choices for choice in row if choice.table is not None]
    if own.table is None and tables:
        own = replace(own, table=Table(tables[0].headings, []))  # for the rows of other choices
    return replace(own, choices=choices)
