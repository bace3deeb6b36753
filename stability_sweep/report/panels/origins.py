"""Where divergence began, and which signals warned of it."""

from __future__ import annotations

import html

import pandas as pd
import plotly.graph_objects as go

from stability_sweep.analysis import Analysis, table_names
from stability_sweep.report.blocks import Column, Exhibit, table_exhibit
from stability_sweep.report.panels.panel import Panel
from stability_sweep.report.theme import CARD, PATTERNS, QUALITATIVE, style
from stability_sweep.report.wording import plural, spaced
from stability_sweep.results import columns
from stability_sweep.space.axes import Axis
from stability_sweep.space.roles import LEARNING_RATE
from stability_sweep.text import printable

MOST_ORIGINS = 12
"""Rows of the table of origins; the rest is in its CSV."""

NO_AUTOPSY = "no autopsy"

SHOWN_ORIGINS = (
    Column(columns.CAUSE, "cause"),
    Column(columns.ORIGIN, "first tensor that was not finite"),
    Column(columns.TRIALS, "trials"),
    Column(columns.SHARE, "share"),
    Column(columns.MEDIAN_STEP, "median step"),
    Column(columns.LOWEST_LEARNING_RATE, "from learning rate"),
    Column(columns.HIGHEST_LEARNING_RATE, "to"),
)
SHOWN_WARNINGS = (
    Column(columns.SIGNAL, "signal"),
    Column(columns.WARNED, "warned"),
    Column(columns.DIVERGED, "of"),
    Column(columns.LEAD_STEPS, "median lead, steps"),
    Column(columns.FALSE_ALARMS, "cried wolf"),
    Column(columns.STABLE, "of stable"),
)


class Origins(Panel):
    """Origins, causes by learning rate, warning signs."""

    key = "origins"
    title = "Where it began"

    def text(self, analysis: Analysis) -> str:
        """Where the tables come from."""
        return "What the autopsies of the diverged trials found, and which signal left its usual range before."

    def exhibits(self, analysis: Analysis) -> list[Exhibit]:
        """Origins, regions where anything diverged, warnings."""
        origins, by_rate, warnings = analysis.origins, analysis.origins_by_rate, analysis.warnings
        shown = [
            table_exhibit(
                "Origins", origins_finding(origins), origins.head(MOST_ORIGINS), SHOWN_ORIGINS, table_names.ORIGINS
            )
        ]
        rate = analysis.study.space.searched_role_axis(LEARNING_RATE)
        if rate is not None and not by_rate.empty:
            figure = origins_figure(by_rate, rate)
            shown.append(Exhibit("by region", regions_finding(by_rate), table_names.ORIGINS_BY_RATE, figure))
        finding = warnings_finding(warnings)
        return [*shown, table_exhibit("Warning signs", finding, warnings, SHOWN_WARNINGS, table_names.WARNINGS)]


PANEL = Origins()


def origins_finding(origins: pd.DataFrame) -> str:
    """Where most divergences began."""
    if origins.empty:
        return "Nothing diverged, so there is no origin to tell."
    row = origins.iloc[0]
    count, total = int(row[columns.TRIALS]), plural(int(origins[columns.TRIALS].sum()), "diverged trial")
    if not isinstance(row[columns.ORIGIN], str):
        return f"For {count} of {total} there is no autopsy."
    return (
        f"Most frequent: {row[columns.ORIGIN]} ({spaced(row[columns.CAUSE])}), in {count} of {total}, at step "
        f"{row[columns.MEDIAN_STEP]:.0f} in the median."
    )


def regions_finding(by_rate: pd.DataFrame) -> str:
    """The most frequent cause at the lowest and at the highest learning rates that diverged."""
    bands = sorted(set(by_rate[columns.BAND]))
    parts = []
    for band in dict.fromkeys([bands[0], bands[-1]]):
        part = by_rate[by_rate[columns.BAND] == band]
        row = part.sort_values(columns.TRIALS, ascending=False).iloc[0]
        cause = spaced(row[columns.CAUSE]) if isinstance(row[columns.CAUSE], str) else NO_AUTOPSY
        counts = f"{int(row[columns.TRIALS])} of {int(part[columns.TRIALS].sum())}"
        parts.append(f"at learning rates {row[columns.LABEL]} {cause} ({counts})")
    return f"Most frequent cause: {'; '.join(parts)}."


def origins_figure(by_band: pd.DataFrame, axis: Axis) -> go.Figure:
    """Causes of divergence by band of a dimension, as stacked bars of trials."""
    figure = go.Figure()
    for place, (cause, part) in enumerate(by_band.groupby(columns.CAUSE, dropna=False, sort=False)):
        # Plotly takes its texts for a kind of HTML, with links.
        name = html.escape(printable(spaced(cause))) if isinstance(cause, str) else NO_AUTOPSY
        pattern = {"shape": PATTERNS[place % len(PATTERNS)], "fillmode": "overlay", "fgcolor": CARD}
        figure.add_bar(
            x=part[columns.LABEL],
            y=part[columns.TRIALS],
            name=name,
            marker={"color": QUALITATIVE[place % len(QUALITATIVE)], "pattern": pattern},
            customdata=part[columns.MEDIAN_STEP],
            hovertemplate=f"{name}: %{{y}} trials, median step %{{customdata:.0f}}<extra></extra>",
        )
    style(figure, height=360)
    figure.update_layout(barmode="stack")
    found = set(by_band[columns.LABEL])
    order = [label for label in axis.labels if label in found]
    figure.update_xaxes(title_text=axis.title, categoryorder="array", categoryarray=order)
    figure.update_yaxes(title_text="diverged trials")
    return figure


def warnings_finding(warnings: pd.DataFrame) -> str:
    """The signal that warned most reliably."""
    if warnings.empty or not warnings[columns.DIVERGED].iloc[0]:
        return "No warning signs can be told: that takes 5 stable trials with telemetry, and a diverged one."
    row = warnings.iloc[0]
    total = plural(int(row[columns.DIVERGED]), "divergence")
    if not row[columns.WARNED]:
        return f"No signal warned of any of {total}."
    return (
        f"Most reliable: {spaced(row[columns.SIGNAL])} left its usual range before {int(row[columns.WARNED])} of "
        f"{total}, {row[columns.LEAD_STEPS]:.0f} steps ahead in the median, and cried wolf in "
        f"{int(row[columns.FALSE_ALARMS])} of {plural(int(row[columns.STABLE]), 'stable trial')}."
    )
