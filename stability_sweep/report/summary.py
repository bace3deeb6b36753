"""A study in a few sentences; the terminal prints them and the page begins with them."""

from __future__ import annotations

import pandas as pd

from stability_sweep.analysis import Analysis, Proportion, divergence_by_band
from stability_sweep.report.answer_words import answer_sentences
from stability_sweep.report.remedy_words import remedies_finding
from stability_sweep.report.wording import chosen_by_results, percent, plural
from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome
from stability_sweep.sources.protocol import StudyFacts
from stability_sweep.space.axes import Axis
from stability_sweep.space.roles import BATCH_SIZE

FEW_TRIALS = 5
"""A band with fewer trials is not mentioned in a sentence."""


def summary_sentences(analysis: Analysis) -> list[str]:
    """A few sentences about a study: the answer, what it is conditional on and costs; then what was counted."""
    if analysis.trials.empty:
        return counted_sentences(analysis)
    return [*answer_sentences(analysis.answer, analysis.study), *counted_sentences(analysis)]


def counted_sentences(analysis: Analysis) -> list[str]:
    """How the trials ended, by batch size, and when, and how many remedies help; what a study lacks has no sentence."""
    study, trials, remedies = analysis.study, analysis.trials, analysis.remedies.table
    if trials.empty:
        return [f"No trial of study {study.name} has an outcome yet."]
    batch_size = study.space.role_axis(BATCH_SIZE)
    sentences = [
        _counts(study, analysis.frame, trials),
        chosen_by_results(study) or ("" if batch_size is None else _batch_size(trials, batch_size)),
        _time(trials),
        "" if remedies.empty else remedies_finding(remedies),
    ]
    return [sentence for sentence in sentences if sentence]


def _counts(study: StudyFacts, frame: pd.DataFrame, trials: pd.DataFrame) -> str:
    counts = frame[columns.OUTCOME].value_counts()
    others = ", ".join(
        f"{counts.get(outcome.value, 0)} {outcome.value}" for outcome in Outcome if outcome is not Outcome.DIVERGED
    )
    horizons = sorted({int(horizon) for horizon in trials[columns.HORIZON]})
    steps = f"{horizons[0]}" if len(horizons) == 1 else f"{horizons[0]} to {horizons[-1]}"
    return (
        f"{plural(len(frame), 'trial')} of {study.subject} ({steps} steps each): "
        f"{Proportion.diverged(trials).count} diverged, {others}."
    )


def _batch_size(trials: pd.DataFrame, axis: Axis) -> str:
    table = divergence_by_band(trials, axis)
    table = table[table[columns.TOTAL] >= FEW_TRIALS]
    if len(table) < 2:
        return "There are too few trials per batch size to compare batch sizes."
    first, last = (
        (row[columns.LABEL], percent(Proportion(int(row[columns.DIVERGED]), int(row[columns.TOTAL]))))
        for row in (table.iloc[0], table.iloc[-1])
    )
    return f"Diverged at batch size {first[0]}: {first[1]}; at {last[0]}: {last[1]}."


def _time(trials: pd.DataFrame) -> str:
    steps = trials[columns.DIVERGENCE_STEP].dropna()
    if steps.empty:
        return "There is no divergence step to report."
    if len(steps) == 1:
        return f"The one divergence came at step {int(steps.iloc[0])}."
    return (
        f"Divergence came at step {int(steps.median())} in the median, at step {int(steps.min())} at the earliest and "
        f"{int(steps.max())} at the latest."
    )
