"""What the loss ended at, by learning rate: where a faster rate is better, and where it is too fast."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd
import plotly.graph_objects as go

from stability_sweep.analysis import table_names
from stability_sweep.report.blocks import Exhibit
from stability_sweep.report.panels.drawn_trials import drawn, hover, outcome_marker, trials_meta
from stability_sweep.report.theme import DANGER, OUTCOME_STYLE, style
from stability_sweep.report.wording import drawn_in_words, value_words
from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome
from stability_sweep.space.axes import Axis
from stability_sweep.space.search_space import SearchSpace

ENDED_WELL = (Outcome.STABLE.value, Outcome.STALLED.value)


def losses_exhibit(trials: pd.DataFrame, rate: Axis, space: SearchSpace) -> Exhibit:
    """The figure, with what it says.

    Args:
        trials: the trials that count; at least one.
        rate: the learning rate's axis.
        space: the study's.
    """
    count, beyond = beyond_scale(trials)
    finding = losses_finding(trials, rate.name, drawn=count, beyond=beyond)
    return Exhibit("What the loss ended at", finding, table_names.TRIALS, final_losses(trials, rate, space))


def final_losses(trials: pd.DataFrame, x: Axis, names: Iterable[str]) -> go.Figure:
    """Loss at the end against one dimension, by outcome.

    The scale is that of the trials that did not diverge; what is not finite, or far above them, lies on a line.

    Args:
        trials: the trials that count.
        x: the dimension's axis.
        names: of all dimensions, for the pointer.
    """
    trials = drawn(trials)
    shown, top, is_log = _loss_scale(trials)
    figure = go.Figure()
    for outcome in OUTCOME_STYLE:
        part = trials[trials[columns.OUTCOME] == outcome.value]
        if part.empty:
            continue
        losses = part[columns.FINAL_LOSS]
        figure.add_scatter(
            x=[round(x.position(value), 4) for value in part[x.name].tolist()],
            y=losses.where(shown[part.index], top),
            mode="markers",
            name=outcome.value,
            text=[f"{text}<br>final loss {loss:.4g}" for text, loss in zip(hover(part, names), losses, strict=True)],
            hovertemplate="%{text}<extra></extra>",
            customdata=part[columns.NUMBER].tolist(),
            meta=trials_meta(outcome.value),
            marker=outcome_marker(outcome),
        )
    if not shown.all():
        _add_line(figure, top, is_log=is_log)
    style(figure, x=x)
    figure.update_yaxes(title_text="final loss", type="log" if is_log else "linear", exponentformat="power")
    return figure


def losses_finding(trials: pd.DataFrame, rate: str, *, drawn: int, beyond: int) -> str:
    """Where the lowest final loss was, which trials are drawn, and how many of these are beyond the scale.

    Args:
        trials: the trials that count.
        rate: the dimension that is the learning rate.
        drawn: how many trials the figure draws.
        beyond: how many of them lie on the line beyond its scale.
    """
    ended = trials[trials[columns.OUTCOME].isin(ENDED_WELL)]
    what = drawn_in_words(drawn, len(trials))
    if beyond:
        what += f", {beyond} of them on the dotted line: NaN, infinite, or far above the others"
    if ended.empty:
        return f"No trial ended well. {what}."
    row = ended.sort_values(columns.FINAL_LOSS).iloc[0]
    return (
        f"The lowest final loss, {row[columns.FINAL_LOSS]:.4g}, was at learning rate "
        f"{value_words(row[rate])} (trial {int(row[columns.NUMBER])}). {what}."
    )


def beyond_scale(trials: pd.DataFrame) -> tuple[int, int]:
    """Of `final_losses`: how many trials are drawn, and how many of these lie on the line beyond the scale."""
    trials = drawn(trials)
    return len(trials), int((~_loss_scale(trials)[0]).sum())


def _add_line(figure: go.Figure, top: float, *, is_log: bool) -> None:
    """The line on which lies what is beyond the scale."""
    figure.add_hline(y=top, line={"color": DANGER, "width": 1, "dash": "dot"}, layer="below")
    figure.add_annotation(
        x=0,
        xref="paper",
        y=math.log10(top) if is_log else top,  # Plotly takes places on a logarithmic axis as exponents here
        text="far above, infinite or NaN",
        showarrow=False,
        xanchor="left",
        yanchor="bottom",
        font={"size": 11, "color": DANGER},
    )


def _loss_scale(trials: pd.DataFrame) -> tuple[pd.Series[bool], float, bool]:
    """Which losses are on the scale, where all others are drawn, and whether the scale is logarithmic."""
    losses = trials[columns.FINAL_LOSS]
    finite = losses.map(math.isfinite)
    ended_well = finite & trials[columns.OUTCOME].isin(ENDED_WELL)
    values = losses[ended_well if ended_well.any() else finite]
    is_log = bool((values > 0).all()) and not values.empty
    top = _strip_position(values, is_log=is_log)
    return finite & (losses < top), top, is_log


def _strip_position(values: pd.Series[float], *, is_log: bool) -> float:
    """Where losses are drawn that are beyond the scale: clear above the largest value on it."""
    if values.empty:
        return 1.0
    low, high = float(values.min()), float(values.max())
    if is_log:
        return float(high * max(high / low, 10.0) ** 0.12)
    return high + 0.12 * max(high - low, 1.0)
