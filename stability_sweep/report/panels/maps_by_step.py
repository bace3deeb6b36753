"""The map by step: where training has diverged by when, and what longer runs would meet if the model goes on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from stability_sweep.analysis import Analysis, PairMap, table_names
from stability_sweep.analysis.baseline import baseline_in_words
from stability_sweep.analysis.periods import Lives
from stability_sweep.definition.claims import DEFAULT_TOLERANCE
from stability_sweep.report.blocks import Exhibit
from stability_sweep.report.panels.drawn_trials import Stay, drawn, trials_traces
from stability_sweep.report.panels.hatching import hatched, hatched_entry
from stability_sweep.report.panels.map_drawing import MODEL, MODEL_LEGEND, add_model_legend, model_traces, style_map
from stability_sweep.report.wording import plural
from stability_sweep.results import columns
from stability_sweep.results.outcome import Outcome
from stability_sweep.space.search_space import SearchSpace

DIED, FINITE, BEYOND_ALL = "diverged by then", "still finite", "extrapolated"
"""Entries of the legend."""


def by_step_exhibit(analysis: Analysis) -> Exhibit | None:
    """The map of the first pair with a slider through the steps; None where there is none."""
    model = analysis.by_step
    if model is None:
        return None
    lives = Lives.of(analysis.trials)
    first = last_observed(model, int(lives.steps.max()))
    labels = [
        f"{piece.label} ({counts_by(lives, step)})" for piece, step in zip(model.slices, model.steps, strict=True)
    ]
    captions = [by_step_finding(analysis, model, index) for index in range(len(model.slices))]
    return Exhibit(
        f"{model.x.title} × {model.y.title}, by step",
        captions[first],
        table_names.MAP_BY_STEP,
        by_step_figure(analysis.trials, model, analysis.study.space, tolerance=analysis.tolerance),
        slices=labels,
        slice_title="P(diverge) by step",
        first_slice=first,
        follows="horizon",
        captions=captions,
    )


def last_observed(model: PairMap, longest: int) -> int:
    """The slice of the longest horizon that was trained."""
    return max(index for index, step in enumerate(model.steps) if index == 0 or step <= longest)


def by_step_figure(
    trials: pd.DataFrame, model: PairMap, space: SearchSpace, *, tolerance: float = DEFAULT_TOLERANCE
) -> go.Figure:
    """One slice per step: the model, and the trials as they were by then.

    Args:
        trials: the trials that count.
        model: the map by step.
        space: the study's.
        tolerance: P(diverge) at which a second line is drawn.
    """
    figure = go.Figure()
    longest = int(Lives.of(trials).steps.max())
    first = last_observed(model, longest)
    for index, step in enumerate(model.steps):
        traces = model_traces(model, index, tolerance)
        if step > longest:
            everywhere = hatched(model, np.ones(model.grid(columns.MEDIAN, index).shape), "\\")
            traces.insert(1, everywhere.update(meta={"mode": MODEL, "slice": index, "key": BEYOND_ALL}))
        for trace in traces:
            figure.add_trace(trace.update(visible=index == first))
    for trace in _trials_traces(drawn(trials), model, space, first):
        figure.add_trace(trace)
    add_model_legend(figure)
    if model.steps[-1] > longest:
        figure.add_trace(hatched_entry(BEYOND_ALL, "\\", MODEL_LEGEND).update(meta={"mode": MODEL, "key": BEYOND_ALL}))
    return style_map(figure, model.x, model.y, model)


def by_step_finding(analysis: Analysis, model: PairMap, index: int) -> str:
    """How much of a slice diverges more often than not, how that compares, and how far the model goes on alone.

    Args:
        analysis: the study in numbers.
        model: the map by step.
        index: of the slice.
    """
    lives = Lives.of(analysis.trials)
    step, longest = model.steps[index], int(lives.steps.max())
    share = _likely_share(model, index)
    told = f"By step {step}, P(diverge) is over 50% on {share:.0%} of the map"
    if step > longest:
        told += f", if the model is right: that is beyond every horizon that was trained (at most {longest} steps)"
    elif index > 0:
        earlier = _likely_share(model, index - 1)
        told += f" (by step {model.steps[index - 1]} on {earlier:.0%})"
    standing = baseline_in_words(analysis.study.space, [model.x.name, model.y.name])
    return (
        f"{told}; {counts_by(lives, step)}. Every one of {plural(len(lives.steps), 'trial')} counts for as long as it "
        f"was under observation, and is drawn on the steps up to which it was. {standing}"
    ).strip()


def _likely_share(model: PairMap, index: int) -> float:
    """The share of a slice on which P(diverge) is over one half."""
    return float(np.nanmean(model.grid(columns.MEDIAN, index) > 0.5))


def counts_by(lives: Lives, step: int) -> str:
    """``34 of 48 had diverged``; trials that ended before that step without diverging are not counted."""
    if not (lives.steps >= step).any():
        return "nobody trained so long"
    known = int(((lives.steps >= step) | lives.diverged).sum())
    died = int((lives.diverged & (lives.steps <= step)).sum())
    return f"{died} of {known} had diverged"


def _trials_traces(trials: pd.DataFrame, model: PairMap, space: SearchSpace, first: int) -> list[go.Scatter]:
    """The trials that are still finite, up to the step until which they were observed, and those that are not.

    Args:
        trials: those that are drawn.
        model: the map by step.
        space: the study's.
        first: the slice that is shown first.
    """
    lives, steps = Lives.of(trials), np.array(model.steps)
    died = lives.diverged
    # The first slice by which a trial had diverged, or from which on it is not known.
    end = np.where(died, np.searchsorted(steps, lives.steps), np.searchsorted(steps, lives.steps, side="right"))
    last = np.full(len(trials), len(steps) - 1)
    shown = (
        (FINITE, Outcome.STABLE, end > 0, Stay(np.zeros_like(end), end - 1, is_pale=False)),
        (DIED, Outcome.DIVERGED, died & (end <= last), Stay(end, last, is_pale=False)),
    )
    axes = (model.x, model.y)
    return [
        trace
        for entry, outcome, part, stay in shown
        for trace in trials_traces(trials[part], axes, outcome, stay.of(part), names=space, shown=first, entry=entry)
    ]
