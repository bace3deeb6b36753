"""Which remedy helps, by how much, and at what price: every level of every setting against the baseline."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stability_sweep.analysis.baseline import baseline_point
from stability_sweep.analysis.contrasts import NOT_KNOWN, Contrast, ContrastModel, Estimate, Sides
from stability_sweep.analysis.features import Features
from stability_sweep.analysis.pairs import alike_but_for, blocks_of, without_partner
from stability_sweep.analysis.price import Price, Prices
from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome
from stability_sweep.sources.frame import counted
from stability_sweep.sources.protocol import EpochsOf
from stability_sweep.space.axes import format_value
from stability_sweep.space.dimensions import Choices, Value
from stability_sweep.space.roles import BATCH_SIZE, LEARNING_RATE
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Mask

HELPS, HARMS, NO_EFFECT = "helps", "harms", "no effect"
UNDECIDED = "not enough evidence"
USELESS = "true but useless"
"""Divergence is avoided, by hardly learning."""

VERDICTS = (HELPS, HARMS, NO_EFFECT, UNDECIDED, USELESS)

MOST_IDLE = 0.9
"""A setting is useless if at least so many of the trials under it that stay finite did not learn."""

NO_SHIFT_DECADES = 0.2
"""An effect that surely shifts the line by less than this is called none."""

NO_CHANGE = 0.05
"""The same for P(diverge), where no learning rate is searched."""

COLUMNS = [
    columns.REMEDY,
    columns.DIMENSION,
    columns.LEVEL,
    columns.BASELINE,
    columns.SHIFT_DECADES,
    columns.LOW,
    columns.HIGH,
    columns.CHANGE_OF_PROBABILITY,
    columns.LOW_PROBABILITY,
    columns.HIGH_PROBABILITY,
    columns.HAZARD_RATIO,
    columns.HAZARD_LOW,
    columns.HAZARD_HIGH,
    columns.VERDICT,
    columns.PRICE,
    columns.PRICE_LOW,
    columns.PRICE_HIGH,
    columns.SPEED_RATIO,
    columns.SPEED_LOW,
    columns.SPEED_HIGH,
    columns.SECONDS_RATIO,
    columns.SECONDS_LOW,
    columns.SECONDS_HIGH,
    columns.TRIALS,
    columns.DIVERGED,
    columns.PAIRS,
    columns.MORE_TRIALS,
    columns.AT_MOST_DECADES,
]


@dataclass(frozen=True)
class Remedies:
    """Every remedy level in numbers."""

    table: pd.DataFrame
    """One row per level, the most helpful first; see `judge_remedies`."""
    note: str
    """What the numbers rest on, in sentences."""


@dataclass(frozen=True)
class Level:
    """One value of a dimension, to be compared with the baseline's."""

    dimension: str
    value: Value
    baseline: Value

    def __str__(self) -> str:
        """``warmup steps 200 instead of 0``."""
        name = self.dimension.rpartition(".")[2].replace("_", " ")
        return f"{name} {format_value(self.value)} instead of {format_value(self.baseline)}"


def judge_remedies(
    frame: pd.DataFrame,
    space: SearchSpace,
    effects: pd.DataFrame | None = None,
    *,
    epochs_of: EpochsOf | None = None,
    seed: int = 0,
) -> Remedies:
    """Judge every level of every searched setting but the learning rate by its contrast with the baseline.

    A level *helps* or *harms* where the interval of its contrast lies on one side of none; it has *no effect* where the
    shift of the line surely is less than 0.2 decades (P(diverge) less than 5 points, without a learning rate); what
    helps is *true but useless* where nine tenths of the finite trials under it did not learn. All else is *not enough
    evidence*. The intervals hold for all levels at once with 95% probability.

    Args:
        frame: trials, from `study_frame`, with a value for every dimension.
        space: their search space.
        effects: the hazard ratios of the same trials, from `hazard_effects`.
        epochs_of: from a point to optimizer steps in one pass over the training data, for the price at equal images.
        seed: of the draws for the intervals.

    Returns:
        Columns ``remedy`` (in words), ``dimension``, ``level``, ``baseline``; ``shift_decades``, ``low``, ``high``
        (of the 50% line; positive allows a larger rate), ``change_of_probability``, ``low_probability``,
        ``high_probability`` (of P(diverge), averaged over the search space), ``hazard_ratio``, ``hazard_low``,
        ``hazard_high`` (from `effects`, each with 95%; NaN of the ends of a range); ``verdict``; ``price``,
        ``price_low``, ``price_high`` (change of the yardstick), ``speed_ratio``, ``seconds_ratio`` with ``_low`` and
        ``_high`` (see `Price`); ``trials``, ``diverged`` (under the level), ``pairs``; ``more_trials`` (about so many
        more would tell; NaN if none are needed or it is beyond saying); ``at_most_decades`` (the effect is no larger;
        NaN unless there is none).
    """
    levels = list(_levels(space))
    trials = counted(frame)
    lonely = without_partner(trials, space)
    trials = trials[~lonely]
    if not levels:
        return Remedies(pd.DataFrame(columns=COLUMNS), "Nothing but the learning rate is searched.")
    model = ContrastModel.of(trials, space)
    found = _contrasts(model, trials, levels, seed)
    features = Features.of(space) if model is None else model.features
    blocks = blocks_of(trials, space)
    prices = Prices.of(trials, features, blocks, epochs_of)
    rows = [
        _row(level, contrast, _hazard(level, effects, trials, space), _price(prices, level), trials, blocks, space)
        for level, contrast in zip(levels, found, strict=True)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    shift, change = table[columns.SHIFT_DECADES], table[columns.CHANGE_OF_PROBABILITY]
    order = np.lexsort([change.fillna(math.inf), -shift.fillna(-math.inf)])
    note = _note(len(levels), model, trials, int(lonely.sum()))
    return Remedies(table.iloc[order].reset_index(drop=True), note)


def verdict_of(contrast: Contrast, idle: float) -> str:
    """One of `VERDICTS`.

    Args:
        contrast: of a setting with what it is compared with.
        idle: share of the finite trials under it that did not learn.
    """
    odds, decades, change = contrast.log_odds, contrast.decades, contrast.probability
    if odds.high < 0 and change.high <= 0:
        return USELESS if idle >= MOST_IDLE else HELPS
    if odds.low > 0 and change.low >= 0:
        return HARMS
    if _within(decades, NO_SHIFT_DECADES) if math.isfinite(decades.value) else _within(change, NO_CHANGE):
        return NO_EFFECT
    return UNDECIDED


def more_trials(contrast: Contrast, trials: int) -> float:
    """About how many more trials of the study would decide; NaN where that is beyond saying.

    The interval narrows with the root of the number of trials. It must leave out zero if the estimate is right, or else
    become as narrow as "no effect" is.
    """
    of, least = (contrast.decades, NO_SHIFT_DECADES)
    if not math.isfinite(of.value):
        of, least = contrast.probability, NO_CHANGE
    half = (of.high - of.low) / 2
    if not math.isfinite(half):
        return math.nan
    more = trials * ((half / max(abs(of.value), least)) ** 2 - 1)
    if more <= 0:
        more = trials / 10
    return float(f"{more:.1g}")


def idle_share(trials: pd.DataFrame) -> float:
    """Of finite trials the share that did not learn; 0 where none is finite."""
    finite = trials[columns.OUTCOME] != Outcome.DIVERGED.value
    stable = trials[columns.OUTCOME] == Outcome.STABLE.value
    return 1 - float(stable.sum() / finite.sum()) if finite.any() else 0.0


def _within(estimate: Estimate, reach: float) -> bool:
    return -reach < estimate.low and estimate.high < reach


def _levels(space: SearchSpace) -> Iterator[Level]:
    """Every value that is listed; of a batch size and of a range the ends."""
    baseline = baseline_point(space)
    for name in space.searched:
        if name == space.role(LEARNING_RATE):
            continue
        dimension, own = space[name], baseline[name]
        if isinstance(dimension, Choices):
            values = dimension.grid(0)
            if name == space.role(BATCH_SIZE) and dimension.is_ordered:
                values = [min(values, key=float), max(values, key=float)]
        else:
            values = [dimension.low] if own == math.inf else [dimension.low, dimension.high]
            if dimension.off_share:
                values.append(math.inf)
        yield from (Level(name, value, own) for value in dict.fromkeys(values) if value != own)


def _contrasts(model: ContrastModel | None, trials: pd.DataFrame, levels: list[Level], seed: int) -> list[Contrast]:
    if model is None:
        return [Contrast() for _ in levels]
    sides = []
    for level in levels:
        tried = _has(trials, level.dimension, level.value, model.features.space)
        compared = _has(trials, level.dimension, level.baseline, model.features.space)
        with_it = model.points.assign(**{level.dimension: level.value})
        without = model.points.assign(**{level.dimension: level.baseline})
        sides.append(Sides(with_it, without) if tried.any() and compared.any() else None)
    return model.contrasts(sides, seed=seed)


def _has(trials: pd.DataFrame, name: str, value: Value, space: SearchSpace) -> Mask:
    """Which trials speak of a value: of a range all, since a slope goes through them, but "off" is a level."""
    if isinstance(space[name], Choices) or value == math.inf:
        return np.asarray(trials[name] == value)
    return np.asarray(trials[name] != math.inf)


def _price(prices: Prices, level: Level) -> Price:
    space = prices.features.space
    with_it = _has(prices.trials, level.dimension, level.value, space)
    without = _has(prices.trials, level.dimension, level.baseline, space)
    return Price() if (with_it & without).any() else prices.of_sides(with_it, without, [level.dimension])


def _hazard(level: Level, effects: pd.DataFrame | None, trials: pd.DataFrame, space: SearchSpace) -> Estimate:
    """The hazard ratio of a level against the baseline."""
    is_listed = isinstance(space[level.dimension], Choices)
    if effects is None or not is_listed or not (trials[level.dimension] == level.baseline).any():
        return NOT_KNOWN  # of a range "off" is compared with its end, and without a baseline a level with another
    rows = effects[effects[columns.DIMENSION] == level.dimension]
    rows = rows[rows[columns.LEVEL] == format_value(level.value)]
    if rows.empty:
        return NOT_KNOWN
    return Estimate(*rows[[columns.HAZARD_RATIO, columns.LOW, columns.HIGH]].iloc[0].tolist())


def _row(
    level: Level,
    contrast: Contrast,
    hazard: Estimate,
    price: Price,
    trials: pd.DataFrame,
    blocks: pd.Series[int] | None,
    space: SearchSpace,
) -> dict[str, Any]:
    """One row of the table."""
    under = trials[(trials[level.dimension] == level.value).to_numpy()]
    pairs = 0
    if blocks is not None:
        alike = alike_but_for(trials, blocks, space, [level.dimension])
        compared = trials[(trials[level.dimension] == level.baseline).to_numpy()]
        pairs = len(set(alike[under.index]) & set(alike[compared.index]))
    verdict = verdict_of(contrast, idle_share(under))
    decades = contrast.decades
    reach = max(abs(decades.low), abs(decades.high)) if verdict == NO_EFFECT else math.nan
    return {
        columns.REMEDY: str(level),
        columns.DIMENSION: level.dimension,
        columns.LEVEL: format_value(level.value),
        columns.BASELINE: format_value(level.baseline),
        **decades.under(columns.SHIFT_DECADES, columns.LOW, columns.HIGH),
        **contrast.probability.under(columns.CHANGE_OF_PROBABILITY, columns.LOW_PROBABILITY, columns.HIGH_PROBABILITY),
        **hazard.under(columns.HAZARD_RATIO, columns.HAZARD_LOW, columns.HAZARD_HIGH),
        columns.VERDICT: verdict,
        **price.yardstick.under(columns.PRICE, columns.PRICE_LOW, columns.PRICE_HIGH),
        **price.speed.under(columns.SPEED_RATIO, columns.SPEED_LOW, columns.SPEED_HIGH),
        **price.seconds.under(columns.SECONDS_RATIO, columns.SECONDS_LOW, columns.SECONDS_HIGH),
        columns.TRIALS: len(under),
        columns.DIVERGED: int((under[columns.OUTCOME] == Outcome.DIVERGED.value).sum()),
        columns.PAIRS: pairs,
        columns.MORE_TRIALS: more_trials(contrast, len(trials)) if verdict == UNDECIDED else math.nan,
        columns.AT_MOST_DECADES: reach,
    }


def _note(levels: int, model: ContrastModel | None, trials: pd.DataFrame, lonely: int) -> str:
    """What the table rests on."""
    if model is None:
        return "All trials ended alike, so nothing can be told from them." if len(trials) else "No trial has ended yet."
    how = "Adjusted for all other searched settings by a logistic regression"
    if model.blocks is not None:
        blocks = len(np.unique(model.blocks))
        how = f"Paired: {blocks} blocks of trials with one point and one seed, by a logistic regression"
    at_once = "95% intervals" if levels == 1 else f"95% intervals that hold for all {levels} levels at once"
    parts = [
        f"{how}; {at_once}.",
        "P(diverge) is averaged over the study's learning rates, batch sizes and ranges, all else at the baseline.",
    ]
    if lonely:
        parts.append(f"Left out, without a partner: {lonely} trial{'s' if lonely > 1 else ''}.")
    return " ".join(parts)
