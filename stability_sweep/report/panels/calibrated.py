"""How far to trust the map: what it said of trials that it had not seen, beside what came of them."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from stability_sweep.analysis import Analysis, table_names
from stability_sweep.report.blocks import Column, Exhibit, Table
from stability_sweep.report.panels.panel import Panel
from stability_sweep.report.theme import AXIS, CONTEXT, INK, QUALITATIVE, style
from stability_sweep.report.wording import plural
from stability_sweep.results import columns

HEIGHT = 470
"""Pixels of the figure, the small bars of counts included."""

COUNTS = "counts"
"""A column of the page alone: how many of how many diverged."""

SHOWN = (
    Column(columns.LABEL, "forecast"),
    Column(columns.PROBABILITY, "in the mean"),
    Column(COUNTS, "diverged"),
    Column(columns.FRACTION, "share"),
    Column(columns.LOW, "95% from"),
    Column(columns.HIGH, "to"),
)


class Calibrated(Panel):
    """A reliability diagram and its table, or why there is none."""

    key = "trust"
    title = "How far to trust the map"

    def text(self, analysis: Analysis) -> str:
        """How the forecasts are made; of a study that ends by its precision, what that rests on."""
        known, asked = "", analysis.study.asked_decades
        if analysis.precision is not None and asked is not None:
            known = f"The 50% line, with all its crossings, is {analysis.precision.in_words(asked)}. "
        if analysis.calibration.empty:
            return known.strip()
        return known + (
            "The trials were dealt into five parts, and the model forecast each part from the other four, so it had "
            "not seen a trial that it speaks of here. Forecasts that can be taken at their word lie on the diagonal: "
            "of the trials forecast at 30%, three in ten diverged."
        )

    def exhibits(self, analysis: Analysis) -> list[Exhibit]:
        """One figure with its table; a sentence where there are no forecasts."""
        table = analysis.calibration
        title = "Forecast and observed"
        if table.empty:
            return [Exhibit(title, _why_none(analysis))]
        figure = calibration_figure(table)
        return [
            Exhibit(title, calibration_finding(table), table_names.CALIBRATION, figure),
            Exhibit("The same in numbers", "Wilson's 95% intervals.", table=Table.of(_with_counts(table), SHOWN)),
        ]


PANEL = Calibrated()


def calibration_finding(table: pd.DataFrame) -> str:
    """In how many bins the forecast is within what was observed, and where it is farthest off.

    Args:
        table: from `calibration`; at least one row.
    """
    within, bins = int(table[columns.IS_WITHIN].sum()), len(table)
    trials = plural(int(table[columns.TOTAL].sum()), "trial")
    told = (
        f"Of {trials}, dealt into {plural(bins, 'bin')} by forecast: the mean forecast lies in the 95% interval of the "
        f"share that diverged in {within} of {bins}."
    )
    off = table[~table[columns.IS_WITHIN].astype(bool)]
    if off.empty:
        return f"{told} Nothing speaks against taking the forecasts at their word."
    row = off.iloc[int((off[columns.PROBABILITY] - off[columns.FRACTION]).abs().argmax())]
    side = "more" if row[columns.FRACTION] > row[columns.PROBABILITY] else "less"
    return (
        f"{told} Farthest off: of the trials forecast at {row[columns.LABEL]} ({row[columns.PROBABILITY]:.0%} in the "
        f"mean), {side} diverged: {int(row[columns.DIVERGED])} of {int(row[columns.TOTAL])} "
        f"({row[columns.FRACTION]:.0%}; 95% interval {row[columns.LOW]:.0%} to {row[columns.HIGH]:.0%})."
    )


def calibration_figure(table: pd.DataFrame) -> go.Figure:
    """Observed shares with their intervals against forecasts, and below how many trials each rests on.

    Args:
        table: from `calibration`.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.8, 0.2], vertical_spacing=0.06)
    diagonal = {"color": AXIS, "dash": "dash", "width": 1.4}
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=diagonal, name="forecast = observed", hoverinfo="skip")
    share = table[columns.FRACTION]
    figure.add_scatter(
        x=table[columns.PROBABILITY],
        y=share,
        mode="markers",
        name="observed, with 95% interval",
        marker={"size": 10, "color": QUALITATIVE[0]},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": table[columns.HIGH] - share,
            "arrayminus": share - table[columns.LOW],
            "thickness": 1.6,
            "color": QUALITATIVE[0],
        },
        customdata=table[[columns.DIVERGED, columns.TOTAL, columns.LOW, columns.HIGH]],
        hovertemplate="forecast %{x:.0%} in the mean<br>%{customdata[0]} of %{customdata[1]} diverged: %{y:.0%} "
        "(95% interval %{customdata[2]:.0%} to %{customdata[3]:.0%})<extra></extra>",
    )
    figure.add_bar(
        x=table[columns.PROBABILITY],
        y=table[columns.TOTAL],
        width=0.03,
        marker={"color": CONTEXT},
        text=table[columns.TOTAL],
        textposition="outside",
        constraintext="none",
        textfont={"color": INK, "size": 11},
        cliponaxis=False,
        showlegend=False,
        hovertemplate="%{y} trials<extra></extra>",
        row=2,
        col=1,
    )
    style(figure, height=HEIGHT)
    figure.update_xaxes(range=[-0.03, 1.03], tickformat=".0%")
    figure.update_xaxes(title_text="forecast P(diverge)", row=2, col=1)
    figure.update_yaxes(title_text="share that diverged", range=[-0.03, 1.03], tickformat=".0%", row=1, col=1)
    figure.update_yaxes(title_text="trials", tickvals=[], range=[0, 1.5 * table[columns.TOTAL].max()], row=2, col=1)
    return figure


def _with_counts(table: pd.DataFrame) -> pd.DataFrame:
    counts = zip(table[columns.DIVERGED], table[columns.TOTAL], strict=True)
    return table.assign(**{COUNTS: [f"{diverged} of {total}" for diverged, total in counts]})


def _why_none(analysis: Analysis) -> str:
    if analysis.surface is None:
        return "There are too few trials for a model, so there are no forecasts to test."
    return "All trials ended alike, with divergence or without it: there is nothing that a forecast could tell apart."
