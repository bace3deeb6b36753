"""Words that several subjects share: shares, counts, settings, horizons."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from stability_sweep.analysis import Proportion
from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome
from stability_sweep.sources.protocol import StudyFacts
from stability_sweep.space.axes import format_value
from stability_sweep.space.roles import BATCH_SIZE
from stability_sweep.space.search_space import SearchSpace


def percent(share: Proportion) -> str:
    """``46% (22 of 48; 95% interval 33% to 60%)``."""
    low, high = share.interval
    return f"{share.value:.0%} ({share.count} of {share.total}; 95% interval {low:.0%} to {high:.0%})"


def share_in_words(share: float) -> str:
    """``5%``, ``0.5%``."""
    return f"{100 * share:.3g}%"


def plural(count: int, noun: str) -> str:
    """``1 trial``, ``2 trials``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def none_diverged(count: int) -> str:
    """``none of 6 trials diverged``; of a single one, that it stayed finite."""
    return "the one trial stayed finite" if count == 1 else f"none of {count} trials diverged"


def all_of(count: int) -> str:
    """``all 6``, ``both``, ``the one trial``."""
    return {1: "the one trial", 2: "both"}.get(count, f"all {count}")


def spaced(name: object) -> str:
    """A name as people say it: ``learning rate``."""
    return str(name).replace("_", " ")


def horizon_in_words(trials: pd.DataFrame, study: StudyFacts) -> str:
    """``within 400 steps``, or, where it depends on the batch size, ``within 10 epochs (40 to 600 steps)``."""
    steps = sorted({int(step) for step in trials[columns.HORIZON]})
    if not steps:
        return "before the horizon"
    if len(steps) == 1:
        return f"within {steps[0]} steps"
    return f"within {study.horizon_in_words or 'the horizon'} ({steps[0]} to {steps[-1]} steps)"


def within_in_words(steps: int | None, trials: pd.DataFrame, study: StudyFacts) -> str:
    """``within 42 steps``.

    Args:
        steps: None for the horizon.
        trials: whose horizons they are.
        study: what is known of it.
    """
    return horizon_in_words(trials, study) if steps is None else f"within {plural(steps, 'step')}"


def setting_in_words(row: pd.Series[Any], space: SearchSpace) -> str:
    """``learning rate 0.001, batch size 64, clip norm off``."""
    return ", ".join(f"{spaced(name)} {value_words(row[name])}" for name in space)


def value_words(value: object) -> str:
    """A value of a table as people write it."""
    value = value.item() if isinstance(value, np.generic) else value
    return format_value(value) if isinstance(value, (bool, int, float, str)) else str(value)


def drawn_in_words(count: int, total: int) -> str:
    """``All 48 trials are drawn``, or how many random ones."""
    if count < total:
        return f"{count} random ones of {total} trials are drawn"
    return "The one trial is drawn" if total == 1 else f"All {total} trials are drawn"


def chosen_by_results(study: StudyFacts) -> str:
    """What it means for shares of trials that a sampler looks at results; empty where it does not."""
    if study.chosen_by is None:
        return ""
    instead = ", and batch sizes are compared by the map" if study.space.role(BATCH_SIZE) else ""
    return (
        f"The {study.chosen_by} sampler chose points by earlier results, so a share of the trials is no share of the "
        f"search space{instead}."
    )


def rates_sentence(trials: pd.DataFrame, rate: str) -> str:
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
