"""The answer in words: the first line of the page and of the terminal's summary."""

from __future__ import annotations

from typing import Any

from stability_sweep.analysis.answer import MOST_MORE, NONE_IS_SAFE, NOT_SEARCHED, SAFE, Answer, Wanted
from stability_sweep.analysis.baseline import baseline_in_words
from stability_sweep.report.wording import plural, share_in_words
from stability_sweep.results.numbers import json_value
from stability_sweep.sources.protocol import StudyFacts
from stability_sweep.space.axes import format_value
from stability_sweep.space.dimensions import Value
from stability_sweep.space.roles import BATCH_SIZE

TOO_FEW = "Not enough trials to say anything yet: a map needs 5 trials with an outcome."


def answer_sentence(answer: Answer | None, study: StudyFacts) -> str:
    """Which learning rate to use, in one sentence that a manager reads; or what is missing to say so.

    Args:
        answer: None where there is no map.
        study: what is known of it beside its trials.
    """
    if answer is None:
        return TOO_FEW
    if answer.status == NOT_SEARCHED:
        return "This study does not search the learning rate, so it cannot say which one is safe."
    sure, at_most = f"{answer.confidence:.0%} sure", f"P(diverge) at most {share_in_words(answer.tolerance)}"
    within = _within(answer, study)
    if answer.status == SAFE:
        assert answer.learning_rate is not None
        rate, place = format_value(answer.learning_rate), _place(answer.batch_size, answer.clip_norm)
        which = f"any learning rate of this study (up to {rate})" if answer.is_all else f"a learning rate up to {rate}"
        return f"Use {which}{place and f' at {place}'}: {at_most} {within}, {sure}."
    if answer.status == NONE_IS_SAFE:
        return f"No learning rate of this study keeps {at_most} {within}, {sure}: search smaller ones."
    return f"Not enough trials to say which learning rate keeps {at_most} {within}{_wanted_in_words(answer.wanted)}"


def condition_sentence(study: StudyFacts) -> str:
    """What else the answer is conditional on: where all other dimensions stand; empty where there are none."""
    return baseline_in_words(study.space, study.space.core)


def cost_sentence(answer: Answer | None) -> str:
    """What the yardstick is at the answer's rate, and what safety costs; empty where that is unknown."""
    if answer is None or answer.status != SAFE or answer.expected is None:
        return ""
    median, low, high = answer.expected
    said = f"Expected yardstick there: {median:.4g} (90% band {low:.4g} to {high:.4g}; lower is better)"
    if answer.price is None:
        return f"{said}."
    if answer.price <= 0:
        return f"{said}; no riskier rate promises more."
    return f"{said}, {answer.price:.3g} above what the best riskier setting promises: that is the price of safety."


def answer_sentences(answer: Answer | None, study: StudyFacts) -> list[str]:
    """The answer, what it is conditional on, and what it costs; what there is nothing to say of is left out."""
    sentences = [answer_sentence(answer, study), condition_sentence(study), cost_sentence(answer)]
    return [sentence for sentence in sentences if sentence]


def answer_json(answer: Answer | None, study: StudyFacts) -> dict[str, Any]:
    """The answer for programs; null is what it does not say, "off" is clipping that is off."""
    asked = Answer(0.0) if answer is None else answer
    expected = asked.expected or (None, None, None)
    wanted = asked.wanted
    return {
        "sentence": " ".join(filter(None, [answer_sentence(answer, study), condition_sentence(study)])),
        "known": asked.is_known,
        "status": asked.status,
        "learning_rate": asked.learning_rate,
        "batch_size": asked.batch_size,
        "clip_norm": json_value(asked.clip_norm),
        "horizon_steps": asked.horizon_steps,
        "horizon_epochs": _epochs(asked, study) if asked.status == SAFE else None,
        "tolerance": None if answer is None else asked.tolerance,
        "confidence": asked.confidence,
        "conditions": condition_sentence(study),
        "expected_yardstick": json_value(expected[0]),
        "expected_yardstick_low": json_value(expected[1]),
        "expected_yardstick_high": json_value(expected[2]),
        "price": asked.price,
        "more_trials": None if wanted is None else wanted.trials,
    }


def place_in_answer(answer: Answer) -> str:
    """``batch size 64, clip norm off``; empty in a study that has neither."""
    return _place(answer.batch_size, answer.clip_norm)


def _within(answer: Answer, study: StudyFacts) -> str:
    """``within 150 steps (0.24 epochs)``."""
    if answer.horizon_steps is None:
        return "within the horizon"
    # An answer that names no batch size cannot count epochs.
    epochs = _epochs(answer, study) if answer.status == SAFE else None
    told = "" if epochs is None else f" ({epochs:.2g} {'epoch' if epochs == 1 else 'epochs'})"
    return f"within {plural(answer.horizon_steps, 'step')}{told}"


def _epochs(answer: Answer, study: StudyFacts) -> float | None:
    """The horizon in passes over the training data; None where these cannot be counted."""
    batch_size, name = answer.batch_size, study.space.role(BATCH_SIZE)
    if answer.horizon_steps is None or study.steps_per_epoch is None:
        return None
    steps = study.steps_per_epoch({} if name is None or batch_size is None else {name: batch_size})
    return None if steps is None else answer.horizon_steps / steps


def _place(batch_size: Value | None, clip_norm: Value | None) -> str:
    """``batch size 64, clip norm off``; empty in a study that has neither."""
    named = (("batch size", batch_size), ("clip norm", clip_norm))
    return ", ".join(f"{name} {format_value(value)}" for name, value in named if value is not None)


def _wanted_in_words(wanted: Wanted | None) -> str:
    """``; about 64 more at batch size 64 and learning rates from 1e-4 to 6e-4 would.``"""
    if wanted is None:
        return "."
    rates = f"a learning rate of {format_value(wanted.lowest_rate)}"
    if wanted.highest_rate > wanted.lowest_rate:
        rates = f"learning rates from {format_value(wanted.lowest_rate)} to {format_value(wanted.highest_rate)}"
    place = _place(wanted.batch_size, wanted.clip_norm)
    where = f"at {place and f'{place} and '}{rates}"
    if wanted.trials is None:
        return f"; not even {MOST_MORE} more {where} would: search smaller ones, or allow more."
    return f"; about {wanted.trials} more {where} would."
