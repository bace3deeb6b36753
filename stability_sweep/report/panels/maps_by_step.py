"""The map by step: where training has diverged by when, and what longer runs would meet if the model goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from stability_sweep.analysis import Analysis, PairMap, table_names
from stability_sweep.analysis.baseline import baseline_in_words
from stability_sweep.analysis.periods import Lives
from stability_sweep.report.blocks import Exhibit
from stability_sweep.report.panels.drawn_trials import drawn
from stability_sweep.report.panels.map_drawing import model_traces, trials_trace
from stability_sweep.report.theme import LEGEND_LINE, LINE, OUTCOME_STYLE, style
from stability_sweep.report.wording import plural
from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome

HATCHES = 24
"""Lines over a map that is an extrapolation."""


def by_step_exhibit(analysis: Analysis) -> Exhibit | None:
    """The map of the first pair with a slider through the steps; None where there is none."""
    model = analysis.by_step
    if model is None:
        return None
    lives = Lives.of(analysis.trials)
    longest = int(lives.steps.max())
    labels = [
        f"{piece.label} ({_counts_by(lives, step)})" for piece, step in zip(model.slices, model.steps, strict=True)
    ]
    return Exhibit(
        f"{model.x.title} × {model.y.title}, by step",
        by_step_finding(analysis, model),
        table_names.MAP_BY_STEP,
        by_step_figure(analysis.trials, model),
        slices=labels,
        slice_title="P(diverge) by step",
        first_slice=last_observed(model, longest),
    )


def last_observed(model: PairMap, longest: int) -> int:
    """The slice of the longest horizon that was trained."""
    return max(index for index, step in enumerate(model.steps) if index == 0 or step <= longest)


def by_step_figure(trials: pd.DataFrame, model: PairMap) -> go.Figure:
    """One slice per step: the model, and the trials as they were by then.

    Args:
        trials: the trials that count.
        model: the map by step.
    """
    figure = go.Figure()
    shown = drawn(trials)
    lives = Lives.of(shown)
    longest = int(Lives.of(trials).steps.max())
    first = last_observed(model, longest)
    for index, step in enumerate(model.steps):
        traces = [*model_traces(model, index), _trials_by(shown, lives, step, model)]
        if step > longest:
            traces.insert(1, _hatching(model))
        for trace in traces:
            figure.add_trace(trace.update(meta={"mode": "model", "slice": index}, visible=index == first))
    for outcome, name in ((Outcome.DIVERGED, "diverged by then"), (Outcome.STABLE, "still finite")):
        color, symbol = OUTCOME_STYLE[outcome]
        marker = {"color": color, "symbol": symbol, "size": 8}
        figure.add_scatter(x=[None], y=[None], mode="markers", name=name, marker=marker)
    line = {"color": LEGEND_LINE, "width": 2.5}
    figure.add_scatter(x=[None], y=[None], mode="lines", name="50% line", line=line)
    return style(figure, x=model.x, y=model.y)


def by_step_finding(analysis: Analysis, model: PairMap) -> str:
    """How much of the map diverges by when, and how far the model goes on alone."""
    trials = analysis.trials
    last = last_observed(model, int(Lives.of(trials).steps.max()))
    shares = [
        (model.steps[index], float(np.nanmean(model.grid(columns.MEDIAN, index) > 0.5))) for index in range(last + 1)
    ]
    final_step, final = shares[-1]
    half = next((step for step, share in shares if share >= final / 2), final_step)
    when = f"; half of that did by step {half}" if final > 0 and half < final_step else ""
    standing = baseline_in_words(analysis.study.space, [model.x.name, model.y.name])
    return (
        f"By step {final_step}, P(diverge) is over 50% on {final:.0%} of the map{when}. Every one of "
        f"{plural(len(trials), 'trial')} counts for as long as it was under observation. Hatched maps lie beyond every "
        f"horizon that was trained: there the model goes on alone. {standing}"
    ).strip()


def _counts_by(lives: Lives, step: int) -> str:
    """``34 of 48 had diverged``; trials that ended before that step without diverging are not counted."""
    known = int(((lives.steps >= step) | lives.diverged).sum())
    died = int((lives.diverged & (lives.steps <= step)).sum())
    return f"{died} of {known} had diverged" if known else "nobody trained so long"


def _trials_by(trials: pd.DataFrame, lives: Lives, step: int, model: PairMap) -> go.Scatter:
    """The trials as they were at a step; those that were not observed for so long are left out."""
    has_died = lives.diverged & (lives.steps <= step)
    seen = has_died | (lives.steps >= step)
    outcomes = [Outcome.DIVERGED if died else Outcome.STABLE for died in has_died[seen]]
    return trials_trace(trials[seen], model.x, model.y, outcomes)


def _hatching(model: PairMap) -> go.Scatter:
    """Slanted lines over the whole map."""
    left, right = model.x.edges[0], model.x.edges[-1]
    low, high = model.y.edges[0], model.y.edges[-1]
    slant = (right - left) / 4
    x: list[Any] = []
    y: list[Any] = []
    for start in np.linspace(left - slant, right, HATCHES):
        ends = [float(start), float(start + slant)]
        heights = [low + (high - low) * (min(max(end, left), right) - start) / slant for end in ends]
        x += [min(max(end, left), right) for end in ends] + [None]
        y += [*heights, None]
    line = {"color": LINE, "width": 0.6}
    return go.Scatter(x=x, y=y, mode="lines", line=line, opacity=0.6, hoverinfo="skip", showlegend=False)
