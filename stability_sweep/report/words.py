"""What a table says, in a sentence: every caption is computed from the numbers under its figure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from stability_sweep.analysis import Analysis, Proportion
from stability_sweep.analysis.advice import CONTRADICTED, SUPPORTED, UNDECIDED, USELESS
from stability_sweep.analysis.baseline import USUAL_BATCH_SIZE, baseline_in_words
from stability_sweep.analysis.speed_limit import REACHED, UNKNOWN, limit_in_words
from stability_sweep.results.outcome import Outcome
from stability_sweep.sources.protocol import StudyFacts
from stability_sweep.space.axes import Axis, format_value
from stability_sweep.space.search_space import SearchSpace

TRUST = ((0.6, "the map is informative"), (0.9, "the map knows something"), (math.inf, "the map knows next to nothing"))
"""By the ratio of the cross-validated log loss to the base rate's."""


def percent(share: Proportion) -> str:
    """``46% (22 of 48; 95% interval 33% to 60%)``."""
    low, high = share.interval
    return f"{share.value:.0%} ({share.count} of {share.total}; 95% interval {low:.0%} to {high:.0%})"


def plural(count: int, noun: str) -> str:
    """``1 trial``, ``2 trials``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def none_diverged(count: int) -> str:
    """``none of 6 trials diverged``; of a single one, that it stayed finite."""
    return "the one trial stayed finite" if count == 1 else f"none of {count} trials diverged"


def all_of(count: int) -> str:
    """``all 6``, ``both``, ``the one trial``."""
    return {1: "the one trial", 2: "both"}.get(count, f"all {count}")


def horizon_in_words(trials: pd.DataFrame, study: StudyFacts) -> str:
    """``within 400 steps``, or, where it depends on the batch size, ``within 10 epochs (40 to 600 steps)``."""
    steps = sorted({int(step) for step in trials["horizon"]})
    if not steps:
        return "before the horizon"
    if len(steps) == 1:
        return f"within {steps[0]} steps"
    return f"within {study.horizon_in_words or 'the horizon'} ({steps[0]} to {steps[-1]} steps)"


def trust_in_words(quality: pd.DataFrame) -> str:
    """How far the map can be trusted, from its cross-validation."""
    if quality.empty:
        return "not to be tested: there are too few trials, or all ended alike"
    row = quality.set_index("score").loc["log loss"]
    verdict = next(words for limit, words in TRUST if row["model"] <= limit * row["base_rate"])
    return (
        f"{verdict}: cross-validated log loss {row['model']:.2f}, against {row['base_rate']:.2f} by the base rate alone"
    )


def survival_finding(curves: pd.DataFrame, axis: Axis) -> str:
    """The first and the last group's share that was still finite at the end."""
    if curves.empty:
        return "There are no trials to time."
    last = curves.groupby("group").tail(1)
    ends = [last.iloc[0], last.iloc[-1]] if len(last) > 1 else [last.iloc[0]]
    parts = [
        f"{row['survival']:.0%} at {axis.title} {row['label']} (95% band {row['low']:.0%} to {row['high']:.0%}; "
        f"{plural(int(row['total']), 'trial')})"
        for row in ends
    ]
    return f"Still finite at the end: {'; '.join(parts)}."


def speed_limit_finding(analysis: Analysis) -> str:
    """The speed limit at the default batch size, for every band of clipping."""
    row = default_limit(analysis)
    if row is None:
        return "There is no speed limit to state: the learning rate is not searched, or there are too few trials."
    counts = analysis.limits["status"].value_counts()
    unknown = f"; for {counts[UNKNOWN]} there are not enough trials to say" if UNKNOWN in counts else ""
    return (
        f"At batch size {row['batch_size']} and clip norm {row['clip']}, the largest learning rate with P(diverge "
        f"{horizon_in_words(analysis.trials, analysis.study)}) at most {analysis.tolerance:.0%} is "
        f"{limit_in_words(row)}, by {plural(int(row['trials']), 'trial')} over the whole space. A limit was found for "
        f"{counts.get(REACHED, 0)} of {plural(len(analysis.limits), 'setting')}{unknown}. "
        f"{baseline_in_words(analysis.study.space, analysis.study.space.core)}"
    ).strip()


def default_limit(analysis: Analysis) -> dict[str, Any] | None:
    """The row of the speed limits at the batch size nearest to 64, with the loosest clipping."""
    if analysis.limits.empty:
        return None
    limits = analysis.limits
    ratio = (limits["batch_size"].astype(float) / USUAL_BATCH_SIZE).map(lambda r: abs(math.log(r)))
    at_default = limits[ratio == ratio.min()]
    return {str(key): value for key, value in at_default.iloc[-1].items()}


def effects_finding(analysis: Analysis) -> str:
    """The strongest effect on the hazard."""
    table = analysis.effects.table
    if table.empty:
        return f"No effect could be estimated. {analysis.effects.note}".strip()
    sure = table[(table["low"] > 1) | (table["high"] < 1)]
    if sure.empty:
        return "No dimension's effect on the hazard is told from none with 95% confidence."
    row = sure.loc[np.log(sure["hazard_ratio"]).abs().idxmax()]
    return (
        f"Strongest: {row['effect']} multiplies the hazard of divergence by {row['hazard_ratio']:.2g} (95% interval "
        f"{row['low']:.2g} to {row['high']:.2g}; {int(row['events'])} divergences in {int(row['trials'])} trials)."
    )


def importance_finding(table: pd.DataFrame) -> str:
    """The dimension that decides most."""
    if table.empty:
        return "There are too few trials, or all ended alike: no dimension's importance can be told."
    row = table.iloc[0]
    name = str(row["dimension"]).replace("_", " ")
    by = f"{row['importance']:.2g} (95% interval {row['low']:.2g} to {row['high']:.2g})"
    if row["low"] <= 0:
        return (
            f"No dimension's importance is told from none: without {name}, the first, the Brier score changes by {by}."
        )
    return f"{name.capitalize()} decides most: without it the Brier score rises by {by}."


def claims_finding(claims: pd.DataFrame) -> str:
    """How many claims stand."""
    if claims.empty:
        return "The definition makes no claims; write them as [[claims]] and the report judges them."
    counts = claims["verdict"].value_counts()
    useless = f", {counts[USELESS]} {USELESS} (nearly every trial under it hardly learned)" if USELESS in counts else ""
    return (
        f"Of {plural(len(claims), 'claim')}, {counts.get(SUPPORTED, 0)} supported{useless}, "
        f"{counts.get(CONTRADICTED, 0)} contradicted, {counts.get(UNDECIDED, 0)} without enough evidence."
    )


def origins_finding(origins: pd.DataFrame) -> str:
    """Where most divergences began."""
    if origins.empty:
        return "Nothing diverged, so there is no origin to tell."
    row = origins.iloc[0]
    if not isinstance(row["origin"], str):
        total = plural(int(origins["trials"].sum()), "diverged trial")
        return f"For {int(row['trials'])} of {total} there is no autopsy."
    return (
        f"Most frequent: {row['origin']} ({str(row['cause']).replace('_', ' ')}), in {int(row['trials'])} of "
        f"{plural(int(origins['trials'].sum()), 'diverged trial')}, at step {row['median_step']:.0f} in the median."
    )


def regions_finding(by_rate: pd.DataFrame) -> str:
    """The most frequent cause at the lowest and at the highest learning rates that diverged."""
    bands = sorted(set(by_rate["band"]))
    parts = []
    for band in dict.fromkeys([bands[0], bands[-1]]):
        part = by_rate[by_rate["band"] == band]
        row = part.sort_values("trials", ascending=False).iloc[0]
        cause = str(row["cause"]).replace("_", " ") if isinstance(row["cause"], str) else "no autopsy"
        parts.append(f"at learning rates {row['label']} {cause} ({int(row['trials'])} of {int(part['trials'].sum())})")
    return f"Most frequent cause: {'; '.join(parts)}."


def warnings_finding(warnings: pd.DataFrame) -> str:
    """The signal that warned most reliably."""
    if warnings.empty or not warnings["diverged"].iloc[0]:
        return "No warning signs can be told: that takes 5 stable trials with telemetry, and a diverged one."
    row = warnings.iloc[0]
    if not row["warned"]:
        return f"No signal warned of any of {plural(int(row['diverged']), 'divergence')}."
    return (
        f"Most reliable: {str(row['signal']).replace('_', ' ')} left its usual range before {int(row['warned'])} of "
        f"{plural(int(row['diverged']), 'divergence')}, {row['lead_steps']:.0f} steps ahead in the median, and cried "
        f"wolf in {int(row['false_alarms'])} of {plural(int(row['stable']), 'stable trial')}."
    )


def best_finding(analysis: Analysis) -> str:
    """The best setting that is safe, and the price of that."""
    if analysis.best.empty:
        return (
            f"No stable trial is known to be safe: none has P(diverge) at most {analysis.tolerance:.0%} and three "
            f"neighbours to confirm it."
        )
    row = analysis.best.iloc[0]
    price = "it is also the best of all" if row["price"] <= 0 else f"{row['price']:.3g} above the best risky one"
    return (
        f"Best: {setting_in_words(row, analysis.study.space)} (trial {int(row['number'])}), validation loss "
        f"{row['validation_loss']:.4g}; {price}. P(diverge) {row['probability']:.1%} (90% band {row['low']:.1%} to "
        f"{row['high']:.1%}); {int(row['neighbours_diverged'])} of its {int(row['neighbours'])} neighbours diverged."
    )


def losses_finding(trials: pd.DataFrame, *, drawn: int, beyond: int) -> str:
    """Where the lowest final loss was, how many trials are drawn, and how many of these are beyond the scale."""
    ended = trials[trials["outcome"].isin([Outcome.STABLE.value, Outcome.STALLED.value])]
    what = drawn_in_words(drawn, len(trials))
    if beyond:
        what += f", {beyond} of them on the dotted line: NaN, infinite, or far above the others"
    if ended.empty:
        return f"No trial ended well. {what}."
    row = ended.sort_values("final_loss").iloc[0]
    return (
        f"The lowest final loss, {row['final_loss']:.4g}, was at learning rate {value_words(row['learning_rate'])} "
        f"(trial {int(row['number'])}). {what}."
    )


def drawn_in_words(count: int, total: int) -> str:
    """``All 48 trials are drawn``, or how many random ones."""
    if count < total:
        return f"{count} random ones of {total} trials are drawn"
    return "The one trial is drawn" if total == 1 else f"All {total} trials are drawn"


def setting_in_words(row: pd.Series[Any], space: SearchSpace) -> str:
    """``learning rate 0.001, batch size 64, clip norm off``."""
    return ", ".join(f"{name.replace('_', ' ')} {value_words(row[name])}" for name in space)


def value_words(value: object) -> str:
    """A value of a table as people write it."""
    value = value.item() if isinstance(value, np.generic) else value
    return format_value(value) if isinstance(value, (bool, int, float, str)) else str(value)


def chosen_by_results(study: StudyFacts) -> str:
    """What it means for shares of trials that a sampler looks at results; empty where it does not."""
    if study.chosen_by is None:
        return ""
    return (
        f"The {study.chosen_by} sampler chose points by earlier results, so a share of the trials is no share of the "
        f"search space, and batch sizes are compared by the map."
    )
