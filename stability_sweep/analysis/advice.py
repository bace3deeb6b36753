"""What the trials say about the claims of a definition."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from stability_sweep.analysis.proportion import Proportion
from stability_sweep.definition.claims import Claim
from stability_sweep.results.outcome import Outcome
from stability_sweep.sources.frame import counted

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "not enough evidence"
USELESS = "true, but useless"
"""Divergence is avoided, by hardly learning."""

MOST_IDLE = 0.9
"""Advice is useless if at least so many of the trials that follow it did not learn."""


def judge_claims(claims: Sequence[Claim], frame: pd.DataFrame) -> pd.DataFrame:
    """Judge every claim by the trials that meet its conditions, whatever their other settings.

    "Avoids divergence" is *supported* if the 95% interval of the share that diverged lies at or below the claim's
    tolerance, *contradicted* if it lies above it, and otherwise there is *not enough evidence*. What would be supported
    is *true, but useless* if at least nine tenths of those trials did not learn: they stalled, or exploded.

    Returns:
        One row per claim: ``claim``, ``source``, ``verdict``, ``tolerance``, ``diverged``, ``total``, ``fraction``,
        ``low``, ``high`` (Wilson's 95% interval), ``others_diverged``, ``others_total`` (the trials that do not meet
        the conditions), ``learned`` (stable), ``stalled`` (finite, but hardly learned), ``best_validation_loss``
        (of the stable or stalled trials under the claim; NaN if there is none), ``cost`` (how much larger that is than
        the study's best stable trial's; NaN if unknown).
    """
    trials = counted(frame)
    finished = trials[trials["outcome"].isin([Outcome.STABLE.value, Outcome.STALLED.value])]
    best = trials.loc[trials["outcome"] == Outcome.STABLE.value, "validation_loss"].min()
    rows = []
    for claim in claims:
        names = [condition.dimension for condition in claim.conditions]
        meets = _meets(claim, trials, names)
        under, others = Proportion.diverged(trials[meets]), Proportion.diverged(trials[~meets])
        low, high = under.interval
        learned = int((trials.loc[meets, "outcome"] == Outcome.STABLE.value).sum())
        under_best = finished.loc[meets.reindex(finished.index), "validation_loss"].min()
        rows.append(
            {
                "claim": claim.says,
                "source": claim.source,
                "verdict": _verdict(under, learned, claim.tolerance),
                "tolerance": claim.tolerance,
                "diverged": under.count,
                "total": under.total,
                "fraction": under.value,
                "low": low,
                "high": high,
                "others_diverged": others.count,
                "others_total": others.total,
                "learned": learned,
                "stalled": int((trials.loc[meets, "outcome"] == Outcome.STALLED.value).sum()),
                "best_validation_loss": float(under_best),
                "cost": float(under_best - best),
            }
        )
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else ["claim"])


def _meets(claim: Claim, trials: pd.DataFrame, names: list[str]) -> pd.Series[bool]:
    columns = [trials[name] for name in names]
    values = [claim.holds(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]
    return pd.Series(values, index=trials.index, dtype=bool)


def _verdict(share: Proportion, learned: int, tolerance: float) -> str:
    low, high = share.interval
    if not share.total or low <= tolerance < high:
        return UNDECIDED
    if low > tolerance:
        return CONTRADICTED
    return USELESS if share.total - learned >= MOST_IDLE * share.total else SUPPORTED
