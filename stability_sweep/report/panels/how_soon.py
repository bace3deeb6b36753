"""How soon training diverges: the share that is still finite by step, the hazard, and what that says of longer runs."""

from __future__ import annotations

import math

import pandas as pd

from stability_sweep.analysis import Analysis, table_names
from stability_sweep.report.blocks import Column, Exhibit, Table
from stability_sweep.report.panels.maps_by_step import by_step_exhibit
from stability_sweep.report.panels.panel import Panel
from stability_sweep.report.panels.survival_drawing import survival_figure
from stability_sweep.report.wording import plural
from stability_sweep.results import columns
from stability_sweep.space.axes import Axis

OBSERVED, EXTRAPOLATED, UNKNOWN = "observed", "extrapolated", "unknown"
"""Where a probability at a horizon comes from."""

KIND = "kind"


class HowSoon(Panel):
    """Curves by dimension, then the hazard of the first of them, and longer runs."""

    key = "time"
    title = "How soon it diverges"
    needs = ("survival",)

    def text(self, analysis: Analysis) -> str:
        """What the curves are."""
        return (
            "The share of trials that are still finite, by step: a panel for every group, with its 95% band, and the "
            "other groups thin behind it. A trial that ended well says nothing about later steps, so it is counted "
            "until its horizon and no further."
        )

    def exhibits(self, analysis: Analysis) -> list[Exhibit]:
        """The map by step, curves, hazard, longer runs."""
        axes = analysis.study.space.searched
        by_step = by_step_exhibit(analysis)
        maps = [] if by_step is None else [by_step]
        curves = [_curves(table, axes[name]) for name, table in analysis.survival.items() if not table.empty]
        if not analysis.hazards:
            return [*maps, *curves]
        name, hazards = next(iter(analysis.hazards.items()))
        return [*maps, *curves, _hazard(hazards, axes[name]), _longer(analysis.horizons[name], axes[name])]


PANEL = HowSoon()


def survival_finding(curves: pd.DataFrame, title: str, *, every_group: bool = False) -> str:
    """The share that was still finite at the end, of the first and the last group, or of every one.

    Args:
        curves: from `survival_curves`.
        title: of the dimension whose groups they are.
        every_group: whether none is left out.
    """
    if curves.empty:
        return "There are no trials to time."
    last = curves.groupby(columns.GROUP).tail(1)
    places = range(len(last)) if every_group else sorted({0, len(last) - 1})
    parts = [
        f"{row[columns.SURVIVAL]:.0%} at {title} {row[columns.LABEL]} (95% band {row[columns.LOW]:.0%} to "
        f"{row[columns.HIGH]:.0%}; {plural(int(row[columns.TOTAL]), 'trial')})"
        for row in (last.iloc[place] for place in places)
    ]
    return f"Still finite at the end: {'; '.join(parts)}."


def _curves(curves: pd.DataFrame, axis: Axis) -> Exhibit:
    finding, figure = survival_finding(curves, axis.title), survival_figure(curves)
    return Exhibit(f"by {axis.title}", finding, table_names.survival_of(axis.name), figure)


def _hazard(table: pd.DataFrame, axis: Axis) -> Exhibit:
    shown = [
        Column(columns.LABEL, axis.title),
        Column(columns.TRIALS, "trials"),
        Column(columns.EVENTS, "diverged"),
        Column(columns.STEPS, "steps trained"),
        Column(columns.HAZARD, "per 1,000 steps"),
        Column(columns.LOW, "95% from"),
        Column(columns.HIGH, "to"),
    ]
    caption = "Divergences per 1,000 steps trained, with exact Poisson intervals."
    return Exhibit("Hazard", caption, table_names.hazard_of(axis.name), table=Table.of(table, shown))


def _longer(table: pd.DataFrame, axis: Axis) -> Exhibit:
    shown = [
        Column(columns.LABEL, axis.title),
        Column(columns.HORIZON_STEPS, "steps"),
        Column(columns.PROBABILITY, "P(diverge)"),
        Column(columns.LOW, "95% from"),
        Column(columns.HIGH, "to"),
        Column(KIND, "from", is_marked=True),
    ]
    kinds = [
        UNKNOWN if math.isnan(probability) else EXTRAPOLATED if is_extrapolated else OBSERVED
        for probability, is_extrapolated in zip(table[columns.PROBABILITY], table[columns.IS_EXTRAPOLATED], strict=True)
    ]
    caption = (
        "P(diverge) at this study's horizon and at ten times as many steps. What is extrapolated assumes that "
        "the hazard of the second half of the steps goes on; where training calms down it is too high. Where no trial "
        "was left at the end, or that hazard allows everything, P(diverge) is unknown: at least what it was."
    )
    name = table_names.horizon_of(axis.name)
    return Exhibit("And in a longer run?", caption, name, table=Table.of(table.assign(**{KIND: kinds}), shown))
