"""What the trials say about the claims of a definition."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from stability_sweep.analysis.proportion import Proportion
from stability_sweep.analysis.ranking import measured_yardsticks
from stability_sweep.definition.claims import Claim
from stability_sweep.results import columns
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
        the conditions), ``learned`` (stable), ``stalled`` (finite, but hardly learned), ``median_yardstick``
        (of the finite trials under the claim; NaN if there is none), ``cost`` (how much larger that is than the median
        of the finite trials that do not meet the conditions; NaN if unknown).
    """
    trials = counted(frame)
    measured = measured_yardsticks(trials)[columns.YARDSTICK]
    rows = []
    for claim in claims:
        names = [condition.dimension for condition in claim.conditions]
        meets = _meets(claim, trials, names)
        under, others = Proportion.diverged(trials[meets]), Proportion.diverged(trials[~meets])
        low, high = under.interval
        learned = int((trials.loc[meets, columns.OUTCOME] == Outcome.STABLE.value).sum())
        follows = meets.loc[measured.index]
        median = float(measured[follows].median())
        rows.append(
            {
                columns.CLAIM: claim.says,
                columns.SOURCE: claim.source,
                columns.VERDICT: _verdict(under, learned, claim.tolerance),
                columns.TOLERANCE: claim.tolerance,
                columns.DIVERGED: under.count,
                columns.TOTAL: under.total,
                columns.FRACTION: under.value,
                columns.LOW: low,
                columns.HIGH: high,
                columns.OTHERS_DIVERGED: others.count,
                columns.OTHERS_TOTAL: others.total,
                columns.LEARNED: learned,
                columns.STALLED: int((trials.loc[meets, columns.OUTCOME] == Outcome.STALLED.value).sum()),
                columns.MEDIAN_YARDSTICK: median,
                columns.COST: median - float(measured[~follows].median()),
            }
        )
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else [columns.CLAIM])


def _meets(claim: Claim, trials: pd.DataFrame, names: list[str]) -> pd.Series[bool]:
    settings = zip(*(trials[name] for name in names), strict=True)
    values = [claim.holds(dict(zip(names, row, strict=True))) for row in settings]
    return pd.Series(values, index=trials.index, dtype=bool)


def _verdict(share: Proportion, learned: int, tolerance: float) -> str:
    low, high = share.interval
    if not share.total or low <= tolerance < high:
        return UNDECIDED
    if low > tolerance:
        return CONTRADICTED
    return USELESS if share.total - learned >= MOST_IDLE * share.total else SUPPORTED
