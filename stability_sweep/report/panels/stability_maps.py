"""The stability maps: P(diverge) over every pair of the dimensions that matter most."""

from __future__ import annotations

import itertools

import pandas as pd

from stability_sweep.analysis import Analysis, PairMap, divergence_by_band, table_names
from stability_sweep.analysis.maps import mapped_dimensions
from stability_sweep.report.blocks import Column, Exhibit, Table
from stability_sweep.report.panels.drawn_trials import MOST_DRAWN
from stability_sweep.report.panels.map_drawing import slice_labels, stability_map, trials_on_slices
from stability_sweep.report.panels.map_words import counts_finding, map_finding, slice_finding
from stability_sweep.report.panels.panel import Panel
from stability_sweep.results import columns
from stability_sweep.space.axes import Axis
from stability_sweep.space.search_space import SearchSpace


class StabilityMaps(Panel):
    """Maps of pairs; counts where only one dimension is searched."""

    key = "maps"
    title = "Stability maps"

    def text(self, analysis: Analysis) -> str:
        """How to read a map, what is drawn of many trials, and which dimensions have none."""
        axes, total = analysis.study.space.searched, len(analysis.trials)
        if len(axes) == 1:
            return "Only one dimension is searched, so there is no map; the panels below say what the trials say."
        text = (
            "The model's P(diverge): the darker, the likelier; hatched where the trials do not say on which side of "
            "the 50% line it lies. Every trial is on every map, small and pale where it belongs to another slice of "
            "the dimension that the slider moves through. Point at a map or a trial for its values; a click on an "
            'entry of a legend hides what it names. "Raw counts" shows what was counted.'
        )
        if total > MOST_DRAWN:
            text += f" Of {total} trials, {MOST_DRAWN} random ones are drawn; all are counted."
        mapped = _mapped(analysis)
        left = [axis.title for name, axis in axes.items() if name not in mapped]
        if left:
            text += f" Dimensions without a map of their own stand at the baseline: {', '.join(left)}."
        return text

    def exhibits(self, analysis: Analysis) -> list[Exhibit]:
        """A map of every pair."""
        space, trials = analysis.study.space, analysis.trials
        axes = space.searched
        if len(axes) == 1:
            (axis,) = axes.values()
            return [_counts(divergence_by_band(analysis.frame, axis), axis)]
        models = {(model.x.name, model.y.name): model for model in analysis.maps}
        return [
            _map(trials, axes[x], axes[y], models.get((x, y)), space)
            for x, y in itertools.combinations(_mapped(analysis), 2)
        ]


PANEL = StabilityMaps()


def map_captions(trials: pd.DataFrame, x: Axis, y: Axis, model: PairMap | None, space: SearchSpace) -> list[str]:
    """What is said under a map, slice by slice: where its line is, and which trials are drawn.

    Args:
        trials: the trials that count.
        x: the horizontal dimension.
        y: the vertical one.
        model: the map; None where there are only counts.
        space: the study's.
    """
    counts, total = trials_on_slices(trials, model), len(trials)
    return [
        f"{map_finding(model, x, y, space, index)} {slice_finding(model, counts, total, index)}"
        for index in range(len(counts))
    ]


def _mapped(analysis: Analysis) -> list[str]:
    return mapped_dimensions(analysis.study.space, analysis.importance[columns.DIMENSION].tolist())


def _map(trials: pd.DataFrame, x: Axis, y: Axis, model: PairMap | None, space: SearchSpace) -> Exhibit:
    title, figure = f"{x.title} × {y.title}", stability_map(trials, x, y, model, space)
    captions, counts = map_captions(trials, x, y, model, space), trials_on_slices(trials, model)
    if model is None:
        return Exhibit(title, captions[0], figure=figure)
    return Exhibit(
        title,
        captions[model.first],
        table_names.map_of(x.name, y.name),
        figure,
        slices=slice_labels(model, counts),
        slice_title=model.third.title if model.third else "",
        captions=captions,
        counts_caption=f"Diverged of tried, cell by cell. {counts_finding(counts, len(trials))}",
        has_model=True,
    )


def _counts(table: pd.DataFrame, axis: Axis) -> Exhibit:
    shown = [
        Column(columns.LABEL, axis.title),
        Column(columns.DIVERGED, "diverged"),
        Column(columns.TOTAL, "trials"),
        Column(columns.FRACTION, "share"),
        Column(columns.LOW, "95% from"),
        Column(columns.HIGH, "to"),
    ]
    title, name = f"Diverged by {axis.title}", table_names.counts_of(axis.name)
    return Exhibit(title, "Counts with Wilson's 95% intervals.", name, table=Table.of(table, shown))
