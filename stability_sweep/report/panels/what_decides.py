"""What decides: what each dimension does to the hazard, and how much the outcome depends on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from stability_sweep.analysis import Analysis, table_names
from stability_sweep.report.blocks import Exhibit
from stability_sweep.report.panels.panel import Panel
from stability_sweep.report.theme import AXIS, QUALITATIVE, style
from stability_sweep.report.wording import spaced
from stability_sweep.results import columns

_MARK = {"size": 10, "symbol": "square", "color": QUALITATIVE[0]}


class WhatDecides(Panel):
    """Hazard ratios, then importance; a table that is empty leaves its sentence."""

    key = "effects"
    title = "What decides"

    def text(self, analysis: Analysis) -> str:
        """Nothing: the captions say it."""
        return ""

    def exhibits(self, analysis: Analysis) -> list[Exhibit]:
        """Effects and importance."""
        return [_effects(analysis), _importance(analysis.importance)]


PANEL = WhatDecides()


def effects_finding(analysis: Analysis) -> str:
    """The strongest effect on the hazard."""
    table = analysis.effects.table
    if table.empty:
        return f"No effect could be estimated. {analysis.effects.note}".strip()
    sure = table[(table[columns.LOW] > 1) | (table[columns.HIGH] < 1)]
    if sure.empty:
        return "No dimension's effect on the hazard is told from none with 95% confidence."
    row = sure.loc[np.log(sure[columns.HAZARD_RATIO]).abs().idxmax()]
    return (
        f"Strongest: {row[columns.EFFECT]} multiplies the hazard of divergence by {row[columns.HAZARD_RATIO]:.2g} "
        f"(95% interval {row[columns.LOW]:.2g} to {row[columns.HIGH]:.2g}; {int(row[columns.EVENTS])} divergences in "
        f"{int(row[columns.TRIALS])} trials)."
    )


def effects_figure(table: pd.DataFrame) -> go.Figure:
    """Hazard ratios with their 95% intervals; right of 1 is more dangerous."""
    rows = table[::-1]  # Plotly draws the first row at the bottom
    figure = go.Figure(
        go.Scatter(
            x=rows[columns.HAZARD_RATIO],
            y=rows[columns.EFFECT],
            mode="markers",
            marker=_MARK,
            error_x=_interval(rows, columns.HAZARD_RATIO),
            customdata=rows[[columns.LOW, columns.HIGH]],
            hovertemplate="%{y}: × %{x:.3g} (95% interval %{customdata[0]:.3g} to %{customdata[1]:.3g})<extra></extra>",
        )
    )
    style(figure, height=130 + 46 * len(rows))
    figure.add_vline(x=1, line={"dash": "dot", "color": AXIS})
    figure.update_xaxes(title_text="the hazard is multiplied by", type="log", dtick=1, exponentformat="power")
    figure.update_yaxes(automargin=True, ticks="")
    return figure


def importance_finding(table: pd.DataFrame) -> str:
    """The dimension that decides most."""
    if table.empty:
        return "There are too few trials, or all ended alike: no dimension's importance can be told."
    row = table.iloc[0]
    name = spaced(row[columns.DIMENSION])
    by = f"{row[columns.IMPORTANCE]:.2g} (95% interval {row[columns.LOW]:.2g} to {row[columns.HIGH]:.2g})"
    if row[columns.LOW] <= 0:
        return (
            f"No dimension's importance is told from none: without {name}, the first, the Brier score changes by {by}."
        )
    return f"{name.capitalize()} decides most: without it the Brier score rises by {by}."


def importance_figure(table: pd.DataFrame) -> go.Figure:
    """How much worse the outcome is told without a dimension."""
    rows = table[::-1]
    figure = go.Figure(
        go.Scatter(
            x=rows[columns.IMPORTANCE],
            y=[spaced(name) for name in rows[columns.DIMENSION]],
            mode="markers",
            marker=_MARK,
            error_x=_interval(rows, columns.IMPORTANCE),
            customdata=rows[[columns.LOW, columns.HIGH]],
            hovertemplate="%{y}: %{x:.3f} (95% interval %{customdata[0]:.3f} to %{customdata[1]:.3f})<extra></extra>",
        )
    )
    style(figure, height=130 + 40 * len(rows))
    figure.add_vline(x=0, line={"dash": "dot", "color": AXIS})
    figure.update_xaxes(title_text="rise of the Brier score when shuffled")
    figure.update_yaxes(automargin=True, ticks="")
    return figure


def _effects(analysis: Analysis) -> Exhibit:
    title, finding, table = "on the hazard", effects_finding(analysis), analysis.effects.table
    if table.empty:
        return Exhibit(title, finding)
    return Exhibit(title, finding, table_names.EFFECTS, effects_figure(table), note=analysis.effects.note)


def _importance(table: pd.DataFrame) -> Exhibit:
    title, finding = "importance for the outcome", importance_finding(table)
    if table.empty:
        return Exhibit(title, finding)
    return Exhibit(title, finding, table_names.IMPORTANCE, importance_figure(table))


def _interval(rows: pd.DataFrame, middle: str) -> dict[str, Any]:
    """A whisker from the low to the high end."""
    up, down = rows[columns.HIGH] - rows[middle], rows[middle] - rows[columns.LOW]
    look = {"thickness": 1.6, "color": QUALITATIVE[0]}
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down, **look}
