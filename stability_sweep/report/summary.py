"""A study in five sentences; the terminal prints them and the page begins with them."""

from __future__ import annotations

import pandas as pd

from stability_sweep.analysis import Proportion, divergence_by_band, study_axes
from stability_sweep.analysis.axes import format_value
from stability_sweep.analysis.frame import counted
from stability_sweep.definition import StudyDefinition
from stability_sweep.outcome import Outcome
from stability_sweep.report.words import chosen_by_results, percent, plural

DATASET_NAMES = {"mnist": "MNIST", "digits": "scikit-learn's digits"}

FEW_TRIALS = 5
"""A band with fewer trials is not mentioned in a sentence."""


def summary_sentences(definition: StudyDefinition, frame: pd.DataFrame) -> list[str]:
    """Five sentences about a study: counts, learning rate, batch size, time to divergence, best setting."""
    trials = counted(frame)
    if trials.empty:
        return [f"No trial of study {definition.name} has an outcome yet."]
    return [
        _counts(definition, frame, trials),
        _learning_rate(trials),
        chosen_by_results(definition.sampler) or _batch_size(definition, trials),
        _time(trials),
        _best(definition, trials),
    ]


def _counts(definition: StudyDefinition, frame: pd.DataFrame, trials: pd.DataFrame) -> str:
    counts = frame["outcome"].value_counts()
    others = ", ".join(
        f"{counts.get(outcome.value, 0)} {outcome.value}" for outcome in Outcome if outcome is not Outcome.DIVERGED
    )
    horizons = sorted({int(horizon) for horizon in trials["horizon"]})
    steps = f"{horizons[0]}" if len(horizons) == 1 else f"{horizons[0]} to {horizons[-1]}"
    dataset = DATASET_NAMES[definition.data.dataset]
    return (
        f"{plural(len(frame), 'trial')} of RHVAE training on {dataset} ({steps} steps each): "
        f"{percent(Proportion.diverged(trials))} diverged; {others}."
    )


def _learning_rate(trials: pd.DataFrame) -> str:
    diverged = trials["outcome"] == Outcome.DIVERGED.value
    if not diverged.any():
        top = trials["learning_rate"].max()
        return f"No trial diverged, up to a learning rate of {format_value(float(top))}."
    if diverged.all():
        low = trials["learning_rate"].min()
        return f"Every trial diverged, down to a learning rate of {format_value(float(low))}."
    lowest = float(trials.loc[diverged, "learning_rate"].min())
    highest = float(trials.loc[~diverged, "learning_rate"].max())
    below, above = int((trials["learning_rate"] < lowest).sum()), int((trials["learning_rate"] > highest).sum())
    parts = []
    if below:
        parts.append(f"below a learning rate of {format_value(lowest)} none of {plural(below, 'trial')} diverged")
    if above:
        parts.append(f"above a learning rate of {format_value(highest)} all {above} did")
    if not parts:
        return "No learning rate was only safe or only unsafe: what diverged at one stayed finite at the same one."
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _batch_size(definition: StudyDefinition, trials: pd.DataFrame) -> str:
    table = divergence_by_band(trials, study_axes(definition)["batch_size"])
    table = table[table["total"] >= FEW_TRIALS]
    if len(table) < 2:
        return "There are too few trials per batch size to compare batch sizes."
    shares = [
        Proportion(int(table[c].iloc[i]), int(table["total"].iloc[i])) for c, i in (("diverged", 0), ("diverged", -1))
    ]
    first, last = table["label"].iloc[0], table["label"].iloc[-1]
    return f"Diverged at batch size {first}: {percent(shares[0])}; at {last}: {percent(shares[1])}."


def _time(trials: pd.DataFrame) -> str:
    steps = trials["divergence_step"].dropna()
    if steps.empty:
        return "There is no divergence step to report."
    return (
        f"Divergence came at step {int(steps.median())} in the median, at step {int(steps.min())} at the earliest and "
        f"{int(steps.max())} at the latest."
    )


def _best(definition: StudyDefinition, trials: pd.DataFrame) -> str:
    stable = trials[trials["outcome"] == Outcome.STABLE.value].dropna(subset=["validation_loss"])
    stalled = int((trials["outcome"] == Outcome.STALLED.value).sum())
    warning = f"; {plural(stalled, 'trial')} stayed finite only by hardly learning" if stalled else ""
    if stable.empty:
        return f"No trial was stable{warning}."
    best = stable.sort_values("validation_loss").to_dict("records")[0]
    setting = ", ".join(f"{name} {format_value(best[name])}" for name in definition.search_space)
    return (
        f"Lowest validation loss of a stable trial: {best['validation_loss']:.4g} "
        f"(trial {best['number']}: {setting}){warning}."
    )
