"""What the trials say about the claims of a definition: by contrast, as remedies are judged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from stability_sweep.analysis.contrasts import NOT_KNOWN, Contrast, ContrastModel, Estimate, Sides
from stability_sweep.analysis.features import Features
from stability_sweep.analysis.pairs import blocks_of
from stability_sweep.analysis.price import Price, Prices
from stability_sweep.analysis.proportion import Proportion
from stability_sweep.analysis.remedies import UNDECIDED, idle_share, more_trials, verdict_of
from stability_sweep.definition.claims import ALLOWS, AVOIDS, Claim
from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome
from stability_sweep.sources.frame import counted
from stability_sweep.sources.protocol import EpochsOf
from stability_sweep.space.roles import LEARNING_RATE
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Mask

YES, NO, UNKNOWN = "yes", "no", "unknown"

COLUMNS = [
    columns.CLAIM,
    columns.SOURCE,
    columns.VERDICT,
    columns.CONTRAST,
    columns.LOW,
    columns.HIGH,
    columns.AVOIDS,
    columns.TOLERANCE,
    columns.DIVERGED,
    columns.TOTAL,
    columns.FRACTION,
    columns.FRACTION_LOW,
    columns.FRACTION_HIGH,
    columns.OTHERS_DIVERGED,
    columns.OTHERS_TOTAL,
    columns.LEARNED,
    columns.STALLED,
    columns.PRICE,
    columns.PRICE_LOW,
    columns.PRICE_HIGH,
    columns.MORE_TRIALS,
]


def judge_claims(
    claims: Sequence[Claim],
    frame: pd.DataFrame,
    space: SearchSpace,
    *,
    epochs_of: EpochsOf | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Judge every claim by a contrast of the trials that follow it with those that do not, all else alike.

    So a claim that does nothing is never found to help, however few trials diverged under it. The verdicts are those of
    `remedies.judge_remedies`; "allows a larger learning rate" is judged by the shift of the 50% line, all others by
    P(diverge). What "avoids divergence" promises beyond that is told beside the verdict: whether the 95% interval of
    the share that diverged lies within the claim's tolerance.

    Args:
        claims: of the definition.
        frame: trials, from `study_frame`.
        space: their search space.
        epochs_of: from a point to optimizer steps in one pass over the training data, for the price at equal images.
        seed: of what is drawn.

    Returns:
        One row per claim: ``claim``, ``source``, ``verdict``; ``contrast``, ``low``, ``high`` (change of P(diverge)
        averaged over the search space, or shift in decades; the 95% intervals hold for all claims at once); ``avoids``
        (``yes``, ``no``, ``unknown``; empty where that is not claimed), ``tolerance``, ``diverged``, ``total``,
        ``fraction``, ``fraction_low``, ``fraction_high`` (of the trials that follow it, Wilson's 95% interval),
        ``others_diverged``, ``others_total`` (of those they are compared with), ``learned`` (stable), ``stalled``,
        ``price``, ``price_low``, ``price_high`` (change of the yardstick), ``more_trials`` (about so many would tell).
    """
    if not claims:
        return pd.DataFrame(columns=COLUMNS)
    trials = counted(frame)
    sides = [(_mask(trials, claim, follows=True), _mask(trials, claim, follows=False)) for claim in claims]
    model = ContrastModel.of(trials, space)
    contrasts = [Contrast() for _ in claims]
    if model is not None:
        asked = [_sides(model, claim, *masks, seed) for claim, masks in zip(claims, sides, strict=True)]
        contrasts = model.contrasts(asked, seed=seed)
    features = Features.of(space) if model is None else model.features
    prices = Prices.of(trials, features, blocks_of(trials, space), epochs_of)
    rows = [
        _row(claim, contrast, _price(prices, claim, trials, *masks), trials, *masks, space)
        for claim, contrast, masks in zip(claims, contrasts, sides, strict=True)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _mask(trials: pd.DataFrame, claim: Claim, *, follows: bool) -> Mask:
    """The trials that follow a claim, or those that they are compared with, (trials,)."""
    names = claim.sentence.dimensions
    points = (dict(zip(names, row, strict=True)) for row in zip(*(trials[name] for name in names), strict=True))
    return np.array([claim.holds(point) if follows else claim.compares(point) for point in points], dtype=bool)


def _sides(model: ContrastModel, claim: Claim, follows: Mask, compared: Mask, seed: int) -> Sides | None:
    """Typical points with what the trials of either side have of the dimensions that a claim speaks of."""
    if not follows.any() or not compared.any():
        return None
    names, random = list(claim.sentence.dimensions), np.random.default_rng(seed)
    given = []
    for mask in (follows, compared):
        donors = model.trials[mask][names]
        drawn = donors.iloc[random.integers(0, len(donors), len(model.points))].reset_index(drop=True)
        given.append(model.points.assign(**{name: drawn[name] for name in names}))
    return Sides(*given)


def _price(prices: Prices, claim: Claim, trials: pd.DataFrame, follows: Mask, compared: Mask) -> Price:
    kept = trials.index.get_indexer(prices.trials.index)
    return prices.of_sides(follows[kept], compared[kept], claim.sentence.dimensions)


def _row(
    claim: Claim,
    contrast: Contrast,
    price: Price,
    trials: pd.DataFrame,
    follows: Mask,
    compared: Mask,
    space: SearchSpace,
) -> dict[str, Any]:
    under, others = trials[follows], Proportion.diverged(trials[compared])
    share = Proportion.diverged(under)
    verdict, shown = _judged(claim, contrast, under, space)
    low, high = share.interval
    return {
        columns.CLAIM: claim.says,
        columns.SOURCE: claim.source,
        columns.VERDICT: verdict,
        **shown.under(columns.CONTRAST, columns.LOW, columns.HIGH),
        columns.AVOIDS: _avoids(share, claim.tolerance) if claim.sentence.promise == AVOIDS else "",
        columns.TOLERANCE: claim.tolerance,
        columns.DIVERGED: share.count,
        columns.TOTAL: share.total,
        columns.FRACTION: share.value,
        columns.FRACTION_LOW: low,
        columns.FRACTION_HIGH: high,
        columns.OTHERS_DIVERGED: others.count,
        columns.OTHERS_TOTAL: others.total,
        columns.LEARNED: int((under[columns.OUTCOME] == Outcome.STABLE.value).sum()),
        columns.STALLED: int((under[columns.OUTCOME] == Outcome.STALLED.value).sum()),
        **price.yardstick.under(columns.PRICE, columns.PRICE_LOW, columns.PRICE_HIGH),
        columns.MORE_TRIALS: more_trials(contrast, len(trials)) if verdict == UNDECIDED else math.nan,
    }


def _judged(claim: Claim, contrast: Contrast, under: pd.DataFrame, space: SearchSpace) -> tuple[str, Estimate]:
    """The verdict, and the number that it goes by."""
    verdict = verdict_of(contrast, idle_share(under))
    if claim.sentence.promise != ALLOWS:
        return verdict, contrast.probability
    if space.role(LEARNING_RATE) in claim.sentence.dimensions or math.isnan(contrast.decades.value):
        return UNDECIDED, NOT_KNOWN
    return verdict, contrast.decades


def _avoids(share: Proportion, tolerance: float) -> str:
    """Whether the share that diverges is surely within the tolerance."""
    low, high = share.interval
    if not share.total or low <= tolerance < high:
        return UNKNOWN
    return NO if low > tolerance else YES
