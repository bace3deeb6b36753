"""Figures of the panels below the maps. Every one is drawn from a table of the analysis."""

from __future__ import annotations

import html
import math

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from stability_sweep.analysis.speed_limit import NONE_IS_SAFE, NOT_REACHED, REACHED, UNKNOWN, limit_in_words
from stability_sweep.report.maps import MOST_DRAWN, drawn, hover
from stability_sweep.report.theme import DANGER, DASHES, MARKERS, OUTCOME_STYLE, PATTERNS, QUALITATIVE, shades, style
from stability_sweep.results.outcome import Outcome
from stability_sweep.space.axes import Axis
from stability_sweep.text import printable

START = 0.7
"""Where a curve begins on a logarithmic axis of steps: before the first one."""


def survival_figure(curves: pd.DataFrame, title: str) -> go.Figure:
    """Kaplan-Meier curves with their bands, one line per group."""
    figure = go.Figure()
    groups = list(curves.groupby("group"))
    for place, (color, (_, curve)) in enumerate(zip(shades(len(groups)), groups, strict=True)):
        label = curve["label"].iloc[0]
        common = {"x": curve["step"].clip(lower=START), "legendgroup": label, "line": {"shape": "hv", "color": color}}
        edge = {
            **common,
            "mode": "lines",
            "line": {"shape": "hv", "width": 0},
            "showlegend": False,
            "hoverinfo": "skip",
        }
        figure.add_scatter(y=curve["high"].round(4), **edge)
        figure.add_scatter(y=curve["low"].round(4), fill="tonexty", fillcolor=_faint(color), **edge)
        figure.add_scatter(
            y=curve["survival"].round(4),
            mode="lines",
            name=label,
            customdata=curve[["low", "high", "at_risk"]].round(3),
            hovertemplate=f"{label}<br>step %{{x}}: %{{y:.0%}} still finite (95% band %{{customdata[0]:.0%}} to "
            "%{customdata[1]:.0%}), %{customdata[2]} under way<extra></extra>",
            **{**common, "line": {**common["line"], "width": 2.2, "dash": DASHES[place % len(DASHES)]}},
        )
    style(figure, height=360)
    figure.update_layout(legend_title_text=title)
    figure.update_xaxes(title_text="step", type="log", range=[math.log10(START), None])
    figure.update_yaxes(title_text="still finite", tickformat=".0%", range=[-0.02, 1.02])
    return figure


def speed_limit_figure(limits: pd.DataFrame, batch: Axis, rate: Axis) -> go.Figure:
    """The largest safe learning rate against batch size, one line per band of clipping, with credible bands.

    Where the trials cannot say, the line is interrupted: a hollow circle lies in the middle of what the band holds.
    """
    figure = go.Figure()
    floor, ceiling = rate.edges[0], rate.edges[-1]
    groups = list(limits.groupby("clip", sort=False))
    for place, (clip, part) in enumerate(groups):
        shown = part["limit"].mask(part["status"] == NOT_REACHED, math.inf).mask(part["status"] == NONE_IS_SAFE, 0.0)
        y = np.clip(_positions(rate, shown), floor, ceiling)
        low, high = (np.clip(_positions(rate, part[end]), floor, ceiling) for end in ("low", "high"))
        shift = (place - (len(groups) - 1) / 2) * 0.09
        color = QUALITATIVE[place % len(QUALITATIVE)]
        symbols = {REACHED: MARKERS[place % len(MARKERS)], NOT_REACHED: "triangle-up-open",
                   NONE_IS_SAFE: "triangle-down-open", UNKNOWN: "circle-open"}  # fmt: skip
        is_unknown = (part["status"] == UNKNOWN).to_numpy()
        x = np.array([batch.position(value) + shift for value in part["batch_size"]])
        words = [limit_in_words(row) for row in part.to_dict("records")]
        labels = [f"batch size {value}: {text}" for value, text in zip(part["batch_size"], words, strict=True)]
        for has_line, marked in ((True, np.where(is_unknown, np.nan, y)),
                                 (False, np.where(is_unknown, (low + high) / 2, np.nan))):  # fmt: skip
            if not has_line and not is_unknown.any():
                continue
            figure.add_scatter(
                x=x,
                y=marked,
                mode="lines+markers" if has_line else "markers",
                name=f"clip norm {clip}",
                legendgroup=clip,
                showlegend=has_line,
                line={"color": color, "dash": DASHES[place % len(DASHES)]},
                marker={"size": 9, "symbol": [symbols[status] for status in part["status"]], "color": color},
                error_y={
                    "type": "data", "symmetric": False, "thickness": 1.2 if has_line else 0.7,
                    "array": np.maximum(high - marked, 0), "arrayminus": np.maximum(marked - low, 0),
                },
                text=labels,
                hovertemplate="%{text}<extra></extra>",
            )  # fmt: skip
    style(figure, x=batch, y=rate)
    figure.update_layout(
        xaxis={"title": {"text": "batch size"}}, yaxis={"title": {"text": "largest safe learning rate"}}
    )
    margin = 0.04 * (ceiling - floor)
    figure.update_yaxes(range=[floor - margin, ceiling + margin])
    return figure


def effects_figure(table: pd.DataFrame) -> go.Figure:
    """Hazard ratios with their 95% intervals; right of 1 is more dangerous."""
    rows = table[::-1]
    figure = go.Figure(
        go.Scatter(
            x=rows["hazard_ratio"],
            y=rows["effect"],
            mode="markers",
            marker={"size": 10, "symbol": "square", "color": QUALITATIVE[0]},
            error_x={
                "type": "data", "symmetric": False, "thickness": 1.6,
                "array": rows["high"] - rows["hazard_ratio"], "arrayminus": rows["hazard_ratio"] - rows["low"],
            },
            customdata=rows[["low", "high"]],
            hovertemplate="%{y}: × %{x:.3g} (95% interval %{customdata[0]:.3g} to %{customdata[1]:.3g})<extra></extra>",
        )
    )  # fmt: skip
    style(figure, height=130 + 46 * len(rows))
    figure.add_vline(x=1, line={"dash": "dot", "color": "#9ca3af"})
    figure.update_xaxes(title_text="the hazard is multiplied by", type="log", dtick=1, exponentformat="power")
    figure.update_yaxes(automargin=True, ticks="")
    return figure


def importance_figure(table: pd.DataFrame) -> go.Figure:
    """How much worse the outcome is told without a dimension."""
    rows = table[::-1]
    figure = go.Figure(
        go.Bar(
            x=rows["importance"],
            y=[name.replace("_", " ") for name in rows["dimension"]],
            orientation="h",
            marker={"color": QUALITATIVE[0]},
            error_x={
                "type": "data", "symmetric": False,
                "array": rows["high"] - rows["importance"], "arrayminus": rows["importance"] - rows["low"],
            },
            hovertemplate="%{y}: %{x:.3f}<extra></extra>",
        )
    )  # fmt: skip
    style(figure, height=130 + 40 * len(rows))
    figure.update_xaxes(title_text="rise of the Brier score when shuffled")
    figure.update_yaxes(automargin=True, ticks="")
    return figure


def origins_figure(by_band: pd.DataFrame, axis: Axis) -> go.Figure:
    """Causes of divergence by band of a dimension, as stacked bars of trials."""
    figure = go.Figure()
    for place, (cause, part) in enumerate(by_band.groupby("cause", dropna=False, sort=False)):
        # Plotly takes its texts for a kind of HTML, with links.
        name = html.escape(printable(cause.replace("_", " "))) if isinstance(cause, str) else "no autopsy"
        figure.add_bar(
            x=part["label"],
            y=part["trials"],
            name=name,
            marker={
                "color": QUALITATIVE[place % len(QUALITATIVE)],
                "pattern": {"shape": PATTERNS[place % len(PATTERNS)], "fillmode": "overlay", "fgcolor": "white"},
            },
            customdata=part["median_step"],
            hovertemplate=f"{name}: %{{y}} trials, median step %{{customdata:.0f}}<extra></extra>",
        )
    style(figure, height=360)
    figure.update_layout(barmode="stack")
    found = set(by_band["label"])
    order = [label for label in axis.labels if label in found]
    figure.update_xaxes(title_text=axis.title, categoryorder="array", categoryarray=order)
    figure.update_yaxes(title_text="diverged trials")
    return figure


def final_losses(trials: pd.DataFrame, x: Axis) -> go.Figure:
    """Loss at the end against one dimension, by outcome.

    The scale is that of the trials that did not diverge; what is not finite, or far above them, lies on a line.
    """
    trials = drawn(trials, MOST_DRAWN)
    shown, top, is_log = _loss_scale(trials)
    figure = go.Figure()
    for outcome, (color, symbol) in OUTCOME_STYLE.items():
        part = trials[trials["outcome"] == outcome.value]
        if part.empty:
            continue
        figure.add_scatter(
            x=[round(x.position(value), 4) for value in part[x.name].tolist()],
            y=part["final_loss"].where(shown[part.index], top),
            mode="markers",
            name=outcome.value,
            text=[
                f"{text}<br>final loss {loss:.4g}" for text, loss in zip(hover(part), part["final_loss"], strict=True)
            ],
            hovertemplate="%{text}<extra></extra>",
            marker={"color": color, "symbol": symbol, "size": 8},
        )
    if not shown.all():
        figure.add_hline(y=top, line={"color": DANGER, "width": 1, "dash": "dot"}, layer="below")
        figure.add_annotation(
            x=0, xref="paper", y=math.log10(top) if is_log else top, text="far above, infinite or NaN",
            showarrow=False, xanchor="left", yanchor="bottom", font={"size": 11, "color": DANGER},
        )  # fmt: skip
    style(figure, x=x)
    figure.update_yaxes(title_text="final loss", type="log" if is_log else "linear", exponentformat="power")
    return figure


def beyond_scale(trials: pd.DataFrame) -> tuple[int, int]:
    """Of `final_losses`: how many trials are drawn, and how many of these lie on the line beyond the scale."""
    trials = drawn(trials, MOST_DRAWN)
    return len(trials), int((~_loss_scale(trials)[0]).sum())


def _loss_scale(trials: pd.DataFrame) -> tuple[pd.Series[bool], float, bool]:
    """Which losses are on the scale, where all others are drawn, and whether the scale is logarithmic."""
    finite = trials["final_loss"].map(math.isfinite)
    ended_well = finite & trials["outcome"].isin([Outcome.STABLE.value, Outcome.STALLED.value])
    values = trials.loc[ended_well if ended_well.any() else finite, "final_loss"]
    is_log = bool((values > 0).all()) and not values.empty
    top = _strip_position(values, is_log=is_log)
    return finite & (trials["final_loss"] < top), top, is_log


def _strip_position(values: pd.Series[float], *, is_log: bool) -> float:
    """Where losses are drawn that are beyond the scale: clear above the largest value on it."""
    if values.empty:
        return 1.0
    low, high = float(values.min()), float(values.max())
    if is_log:
        return float(high * max(high / low, 10.0) ** 0.12)
    return high + 0.12 * max(high - low, 1.0)


def _positions(axis: Axis, values: pd.Series[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Positions of learning rates, 0 and infinity included."""
    numbers = values.to_numpy(np.float64)
    if axis.values:
        return np.asarray(np.interp(numbers, [float(value) for value in axis.values], axis.centers))
    with np.errstate(divide="ignore"):
        return np.asarray(np.log10(numbers) if axis.is_log else numbers)


def _faint(color: str) -> str:
    """The color of a line, as that of its band."""
    return color.replace("rgb(", "rgba(").replace(")", ", 0.13)")
