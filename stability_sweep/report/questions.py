"""The questions that a reader of the page may ask, and their answers: within how many steps, and how safe."""

from __future__ import annotations

from stability_sweep.analysis import Analysis
from stability_sweep.report.answer_words import answer_sentences
from stability_sweep.report.asked import asked_horizons, asked_questions
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
    horizons, tolerances = asked_horizons(answers), [question.tolerance for question in questions[0]]
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


def _longest_trained(analysis: Analysis) -> int:
    assert analysis.surface is not None
    return analysis.surface.longest_steps


def _horizon(steps: int | None, longest: int | None, in_words: str | None) -> str:
    if steps is not None:
        return plural(steps, "step")
    return plural(longest, "step") if longest is not None else f"the horizon ({in_words or 'that of each trial'})"
