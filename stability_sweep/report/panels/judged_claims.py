"""Is the advice right? The definition's claims, judged by the trials that follow them."""

from __future__ import annotations

import pandas as pd

from stability_sweep.analysis import Analysis, table_names
from stability_sweep.analysis.advice import CONTRADICTED, SUPPORTED, UNDECIDED, USELESS
from stability_sweep.report.blocks import Column, Exhibit, Table
from stability_sweep.report.panels.panel import Panel
from stability_sweep.report.wording import chosen_by_results, plural
from stability_sweep.results import columns

COUNTS, OTHERS = "counts", "others"
"""Columns of the page alone: how many of how many diverged."""

SHOWN = (
    Column(columns.CLAIM, "claim"),
    Column(columns.VERDICT, "verdict", is_marked=True),
    Column(COUNTS, "diverged"),
    Column(columns.LOW, "95% from"),
    Column(columns.HIGH, "to"),
    Column(OTHERS, "others diverged"),
    Column(columns.LEARNED, "learned"),
    Column(columns.STALLED, "hardly learned"),
    Column(columns.MEDIAN_YARDSTICK, "yardstick, median"),
    Column(columns.COST, "cost"),
    Column(columns.SOURCE, "who says so"),
)


class JudgedClaims(Panel):
    """A table of verdicts."""

    key = "claims"
    title = "Is the advice right?"
    needs = ("claims",)
    absent = "The definition makes no claims; write them as [[claims]] and the report judges them."

    def text(self, analysis: Analysis) -> str:
        """How claims are judged, and what the sampler's choice of points does to that."""
        return (
            "Advice is judged by the trials that follow it. Its cost: how much larger the median yardstick of its "
            "finite trials is than that of the others. " + chosen_by_results(analysis.study)
        )

    def exhibits(self, analysis: Analysis) -> list[Exhibit]:
        """One table."""
        claims = analysis.claims
        counts = _of(claims[columns.DIVERGED], claims[columns.TOTAL])
        others = _of(claims[columns.OTHERS_DIVERGED], claims[columns.OTHERS_TOTAL])
        table = Table.of(claims.assign(**{COUNTS: counts, OTHERS: others}), SHOWN)
        return [Exhibit("", claims_finding(claims), table_names.CLAIMS, table=table)]


PANEL = JudgedClaims()


def claims_finding(claims: pd.DataFrame) -> str:
    """How many claims stand."""
    counts = claims[columns.VERDICT].value_counts()
    useless = f", {counts[USELESS]} {USELESS} (nearly every trial under it hardly learned)" if USELESS in counts else ""
    return (
        f"Of {plural(len(claims), 'claim')}, {counts.get(SUPPORTED, 0)} supported{useless}, "
        f"{counts.get(CONTRADICTED, 0)} contradicted, {counts.get(UNDECIDED, 0)} without enough evidence."
    )


def _of(counts: pd.Series[int], totals: pd.Series[int]) -> list[str]:
    return [f"{count} of {total}" for count, total in zip(counts, totals, strict=True)]
