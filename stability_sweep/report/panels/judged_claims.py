"""Is the advice right? The definition's claims, each judged by what it changes."""

from __future__ import annotations

import pandas as pd

from stability_sweep.analysis import Analysis, table_names
from stability_sweep.analysis.remedies import VERDICTS
from stability_sweep.definition.claims import ALLOWS
from stability_sweep.report.blocks import Column, Exhibit, Table
from stability_sweep.report.panels.panel import Panel
from stability_sweep.report.remedy_words import (
    Row,
    more_count,
    number,
    or_dash,
    points,
    with_interval,
    yardstick_in_words,
)
from stability_sweep.report.wording import chosen_by_results, plural
from stability_sweep.results import columns

COUNTS, OTHERS = "counts", "others"
"""Columns of the page alone: how many of how many diverged."""

SHOWN = (
    Column(columns.CLAIM, "claim"),
    Column(columns.VERDICT, "verdict", is_marked=True),
    Column(columns.CONTRAST, "what it changes (95% interval)"),
    Column(columns.AVOIDS, "avoids?"),
    Column(COUNTS, "diverged (95% interval)"),
    Column(OTHERS, "others diverged"),
    Column(columns.LEARNED, "learned"),
    Column(columns.STALLED, "hardly learned"),
    Column(columns.PRICE, "price"),
    Column(columns.MORE_TRIALS, "more trials"),
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
            "Advice is judged as a remedy is, by what it changes against doing otherwise: P(diverge) in percentage "
            "points (negative is good), or the safe learning rate in decades, of advice that speaks of larger ones. "
            "Whether it avoids divergence is a question of its own: yes if the whole interval of the share that "
            "diverged under it lies at or under its tolerance, no if it lies above. Its price is what the yardstick "
            f"loses. {chosen_by_results(analysis.study)}"
        ).strip()

    def exhibits(self, analysis: Analysis) -> list[Exhibit]:
        """One table."""
        table = Table.of(_cells(analysis.claims), SHOWN)
        return [Exhibit("", claims_finding(analysis.claims), table_names.CLAIMS, table=table)]


PANEL = JudgedClaims()


def claims_finding(claims: pd.DataFrame) -> str:
    """``Of 6 claims: helps 2, harms 1, not enough evidence 3.``; then how many that say so avoid divergence."""
    counts = claims[columns.VERDICT].value_counts()
    verdicts = ", ".join(f"{verdict} {counts[verdict]}" for verdict in VERDICTS if verdict in counts)
    asked = claims[columns.AVOIDS][claims[columns.AVOIDS] != ""].value_counts()
    avoids = ", ".join(f"{word} {asked[word]}" for word in ("yes", "no", "unknown") if word in asked)
    return f"Of {plural(len(claims), 'claim')}: {verdicts}.{avoids and f' Divergence is avoided: {avoids}.'}"


def contrast_in_words(row: Row) -> str:
    """``P(diverge) -12 points (-19 to -5)``, ``0.32 decades (0.12 to 0.55)``; empty where it is not known."""
    is_shift = ALLOWS in str(row[columns.CLAIM])  # its contrast is a shift of the safe rate
    said = with_interval(row, columns.CONTRAST, columns.LOW, columns.HIGH, of=number if is_shift else points)
    value, _, interval = said.partition(" ")
    return said and f"{value} decades {interval}" if is_shift else said and f"P(diverge) {value} points {interval}"


def _cells(claims: pd.DataFrame) -> pd.DataFrame:
    """The table as the page shows it."""
    records = claims.to_dict("records")
    return claims.assign(
        **{
            columns.CONTRAST: [or_dash(contrast_in_words(row).strip()) for row in records],
            columns.AVOIDS: [or_dash(row[columns.AVOIDS]) for row in records],
            columns.PRICE: [or_dash(yardstick_in_words(row)) for row in records],
            columns.MORE_TRIALS: [or_dash(more_count(row)) for row in records],
            COUNTS: [_counts(row) for row in records],
            OTHERS: [f"{int(row[columns.OTHERS_DIVERGED])} of {int(row[columns.OTHERS_TOTAL])}" for row in records],
        }
    )


def _counts(row: Row) -> str:
    """``0 of 72 (0% to 5%)``."""
    ends = f"{row[columns.FRACTION_LOW]:.0%} to {row[columns.FRACTION_HIGH]:.0%}"
    return f"{int(row[columns.DIVERGED])} of {int(row[columns.TOTAL])} ({ends})"
