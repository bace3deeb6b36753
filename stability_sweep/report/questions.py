"""The questions that a reader of the page may ask, and their answers: within how many steps, and how safe."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from stability_sweep.analysis import Analysis
from stability_sweep.analysis.answer import Answer, Question
from stability_sweep.report.answer_words import answer_sentences
from stability_sweep.report.blocks import Exhibit, Table
from stability_sweep.report.page.context import AnswerBlock
from stability_sweep.report.wording import plural, share_in_words


def answer_block(analysis: Analysis) -> AnswerBlock:
    """The first lines of the page, with every choice of the reader's."""
    study, answers = analysis.study, analysis.answers
    own = answer_sentences(analysis.answer, study)
    is_fixed = study.horizon_in_words is None
    questions = asked_questions(analysis)
    if analysis.by_step is None or not questions:
        return AnswerBlock(own, [], [], [], [], (0, 0), [])
    horizons, tolerances = _horizons(answers), [question.tolerance for question in questions[0]]
    said = {each.question: answer_sentences(each, study) for each in answers}
    longest = analysis.answers[0].horizon_steps if is_fixed else None
    steps = analysis.by_step.steps
    return AnswerBlock(
        sentences=own,
        horizons=[_horizon(step, longest, study.horizon_in_words) for step in horizons],
        tolerances=[share_in_words(tolerance) for tolerance in tolerances],
        tolerance_values=tolerances,
        step_slices=[steps.index(_longest_trained(analysis) if step is None else step) for step in horizons],
        first=(len(horizons) - 1, tolerances.index(analysis.tolerance)),
        choices=[[said[question] for question in row] for row in questions],
    )


def asked_questions(analysis: Analysis) -> list[list[Question]]:
    """What the reader may choose, by horizon and tolerance, in their order; empty where there is no choice."""
    answers = analysis.answers
    if analysis.by_step is None or not answers:
        return []
    tolerances = sorted({each.tolerance for each in answers})
    return [[Question(steps, tolerance) for tolerance in tolerances] for steps in _horizons(answers)]


def with_choices(analysis: Analysis, build: Callable[[Analysis, Question], Exhibit]) -> Exhibit:
    """An exhibit that follows the reader's choice.

    Args:
        analysis: the study in numbers.
        build: what it is for a question.
    """
    choices = [[build(analysis, question) for question in row] for row in asked_questions(analysis)]
    own = build(analysis, analysis.question)
    tables = [choice.table for row in choices for choice in row if choice.table is not None]
    if own.table is None and tables:
        own = replace(own, table=Table(tables[0].headings, []))  # for the rows of other choices
    return replace(own, choices=choices)


def _horizons(answers: Iterable[Answer]) -> list[int | None]:
    """The study's own is the longest: it comes last."""
    return [*sorted({each.steps for each in answers if each.steps is not None}), None]


def _longest_trained(analysis: Analysis) -> int:
    assert analysis.surface is not None
    return analysis.surface.longest_steps


def _horizon(steps: int | None, longest: int | None, in_words: str | None) -> str:
    if steps is not None:
        return plural(steps, "step")
    return plural(longest, "step") if longest is not None else f"the horizon ({in_words or 'that of each trial'})"
