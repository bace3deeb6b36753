"""A study in five sentences; the terminal prints them and the page begins with them."""

from __future__ import annotations

import pandas as pd

from stability_sweep.analysis import Proportion, divergence_by_band
from stability_sweep.report.wording import all_of, chosen_by_results, none_diverged, percent, plural
from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome
from stability_sweep.sources.frame import counted
from stability_sweep.sources.protocol import StudyFacts
from stability_sweep.space.axes import Axis, format_value
from stability_sweep.space.roles import BATCH_SIZE, LEARNING_RATE

FEW_TRIALS = 5
"""A band with fewer trials is not mentioned in a sentence."""


def summary_sentences(study: StudyFacts, frame: pd.DataFrame) -> list[str]:
    """Five sentences about a study: counts, learning rate, batch size, time to divergence, best setting.

    A study that lacks a learning rate or a batch size has no sentence about it.
    """
    trials = counted(frame)
    if trials.empty:
        return [f"No trial of study {study.name} has an outcome yet."]
    rate, batch_size = study.space.role(LEARNING_RATE), study.space.role_axis(BATCH_SIZE)
    sentences = [
        _counts(study, frame, trials),
        "" if rate is None else _learning_rate(trials, rate),
        chosen_by_results(study) or ("" if batch_size is None else _batch_size(trials, batch_size)),
        _time(trials),
        _best(study, trials),
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
        f"{percent(Proportion.diverged(trials))} diverged; {others}."
    )


def _learning_rate(trials: pd.DataFrame, rate: str) -> str:
    """Where nothing diverged, where both happened, and where everything did: stretches that never overlap."""
    rates, diverged = trials[rate].astype(float), trials[columns.OUTCOME] == Outcome.DIVERGED.value
    if not diverged.any():
        return f"No trial diverged, up to a learning rate of {format_value(rates.max())}."
    if diverged.all():
        return f"Every trial diverged, down to a learning rate of {format_value(rates.min())}."
    lowest, highest = rates[diverged].min(), rates[~diverged].max()
    if lowest > highest:
        return (
            f"Up to a learning rate of {format_value(highest)}, {none_diverged(int((~diverged).sum()))}; from "
            f"{format_value(lowest)} on, {all_of(int(diverged.sum()))} did."
        )
    below, above, between = rates < lowest, rates > highest, rates.between(lowest, highest)
    counts = f"{int(diverged[between].sum())} of {plural(int(between.sum()), 'trial')} diverged"
    parts = [f"at learning rates from {format_value(lowest)} to {format_value(highest)}, {counts}"]
    if lowest == highest:
        parts = [f"at a learning rate of {format_value(lowest)}, {counts}"]
    if below.any():
        parts.insert(0, f"below a learning rate of {format_value(lowest)}, {none_diverged(int(below.sum()))}")
    if above.any():
        parts.append(f"above {format_value(highest)}, {all_of(int(above.sum()))} did")
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


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


def _best(study: StudyFacts, trials: pd.DataFrame) -> str:
    stable = trials[trials[columns.OUTCOME] == Outcome.STABLE.value].dropna(subset=[columns.VALIDATION_LOSS])
    stalled = int((trials[columns.OUTCOME] == Outcome.STALLED.value).sum())
    warning = f"; {plural(stalled, 'trial')} stayed finite only by hardly learning" if stalled else ""
    if stable.empty:
        return f"No trial was stable{warning}."
    best = stable.sort_values(columns.VALIDATION_LOSS).to_dict("records")[0]
    setting = ", ".join(f"{name} {format_value(best[name])}" for name in study.space)
    return (
        f"Lowest validation loss of a stable trial: {best['validation_loss']:.4g} "
        f"(trial {best['number']}: {setting}){warning}."
    )
