"""Which remedy helps: settings meant against divergence, each against the baseline, and what it costs."""

from __future__ import annotations

import pandas as pd

from stability_sweep.analysis import Analysis, table_names
from stability_sweep.analysis.remedies import Remedies
from stability_sweep.report.blocks import Column, Exhibit, Section, Table
from stability_sweep.report.panels.forest_drawing import forest_figure
from stability_sweep.report.panels.panel import Panel
from stability_sweep.report.remedy_words import (
    change_in_words,
    hazard_in_words,
    more_count,
    or_dash,
    remedies_finding,
    remedy_sentence,
    seconds_in_words,
    shift_in_words,
    speed_in_words,
    yardstick_in_words,
)
from stability_sweep.report.wording import all_of
from stability_sweep.results import columns

OF_TRIALS = "of_trials"
"""A column of the page alone: how many of how many diverged."""

IN_WORDS = {
    columns.SHIFT_DECADES: shift_in_words,
    columns.CHANGE_OF_PROBABILITY: change_in_words,
    columns.HAZARD_RATIO: hazard_in_words,
    columns.PRICE: yardstick_in_words,
    columns.SPEED_RATIO: speed_in_words,
    columns.SECONDS_RATIO: seconds_in_words,
    columns.MORE_TRIALS: more_count,
}
"""Columns that the page shows in words, most with their intervals in one cell; the CSV has them apart."""

SHOWN = (
    Column(columns.REMEDY, "remedy"),
    Column(columns.VERDICT, "verdict", is_marked=True),
    Column(columns.SHIFT_DECADES, "learning rate, decades"),
    Column(columns.CHANGE_OF_PROBABILITY, "P(diverge), points"),
    Column(columns.HAZARD_RATIO, "hazard, ×"),
    Column(columns.PRICE, "yardstick"),
    Column(columns.SPEED_RATIO, "speed, ×"),
    Column(columns.SECONDS_RATIO, "time, ×"),
    Column(OF_TRIALS, "diverged"),
    Column(columns.PAIRS, "pairs"),
    Column(columns.MORE_TRIALS, "more trials"),
)


TABLE_CAPTION = (
    "With 95% intervals; those of the hazard, the price, speed and time hold one by one. ×: with it, by without. "
    "Hazard: of divergence. Speed: how fast training learns. Time: per image. More trials: about so many would tell."
)


class WhichRemedy(Panel):
    """A sentence each, a ranked forest, and a table with all figures."""

    key = "remedies"
    title = "Which remedy helps"

    def text(self, analysis: Analysis) -> str:
        """How to read it, and what the numbers rest on."""
        return reading(analysis.remedies)

    def exhibits(self, analysis: Analysis) -> list[Exhibit]:
        """Words, a figure, a table; why there is nothing, where there is not."""
        return remedy_exhibits(analysis.remedies)


PANEL = WhichRemedy()


def remedies_section(remedies: Remedies) -> Section:
    """The same of what no single study's analysis holds."""
    return Section(PANEL.key, PANEL.title, reading(remedies), remedy_exhibits(remedies))


def reading(remedies: Remedies) -> str:
    """How to read the section, and what its numbers rest on; empty where there are none."""
    if remedies.table.empty:
        return ""
    return (
        "A remedy is a setting meant against divergence; each is compared with the baseline, all else alike. Decades "
        "of the learning rate: by how much larger a rate is as safe with it as without (0.3 is a factor of 2). Its "
        "price is what the yardstick loses after as many images. Helps, harms: the interval lies on one side of none. "
        "No effect: the whole interval is near none. Not enough evidence: it is too wide to say. True but useless: "
        f"divergence is avoided by hardly learning. {remedies.note}"
    ).strip()


def remedy_exhibits(remedies: Remedies) -> list[Exhibit]:
    """A list of sentences, a forest and a table; where there is no remedy, why."""
    table = remedies.table
    if table.empty:
        return [Exhibit("", remedies.note)] if remedies.note else []
    records = table.to_dict("records")
    together = f"holds for {all_of(len(table))} at once" if len(table) > 1 else "holds"
    caption = (
        f"Ranked, the most helpful first. A whisker is an interval that {together} with 95% probability: where it "
        "leaves out the dotted line, there is an effect. What reaches beyond the edge is cut off there, without an end "
        "mark; point at a row for its figures."
    )
    return [
        Exhibit("In words", remedies_finding(table), lines=[remedy_sentence(row) for row in records]),
        Exhibit("Effect and price", caption, figure=forest_figure(table)),
        Exhibit("All figures", TABLE_CAPTION, table_names.REMEDIES, table=Table.of(_cells(table), SHOWN)),
    ]


def _cells(table: pd.DataFrame) -> pd.DataFrame:
    """The table as the page shows it: a number and its interval in one cell."""
    records = table.to_dict("records")
    shown = {name: [or_dash(words(row)) for row in records] for name, words in IN_WORDS.items()}
    counts = [f"{int(row[columns.DIVERGED])} of {int(row[columns.TRIALS])}" for row in records]
    return table.assign(**shown, **{OF_TRIALS: counts})
