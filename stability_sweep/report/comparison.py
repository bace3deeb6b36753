"""Two studies side by side, on the same axes."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pandas as pd

from stability_sweep import __version__
from stability_sweep.analysis import Analysis, Proportion, table_names
from stability_sweep.analysis.maps import pair_map
from stability_sweep.analysis.proportion import CONFIDENCE
from stability_sweep.analysis.survival import survival_curves
from stability_sweep.report.blocks import Exhibit, KeyFigure, Section, Table
from stability_sweep.report.method import METHOD
from stability_sweep.report.page.context import PageContext
from stability_sweep.report.page.payload import Payload
from stability_sweep.report.page.rendering import write_page
from stability_sweep.report.panels.how_soon import PANEL as TIME
from stability_sweep.report.panels.how_soon import survival_finding
from stability_sweep.report.panels.key_figures import Trust, share_in_figures
from stability_sweep.report.panels.limits import PANEL as LIMITS
from stability_sweep.report.panels.limits import speed_limit_figure, speed_limit_finding
from stability_sweep.report.panels.map_drawing import stability_map
from stability_sweep.report.panels.stability_maps import PANEL as MAPS
from stability_sweep.report.panels.stability_maps import map_captions
from stability_sweep.report.panels.survival_drawing import survival_figure
from stability_sweep.report.study_report import creation_time
from stability_sweep.report.wording import horizon_in_words, percent, plural
from stability_sweep.results import columns
from stability_sweep.space.axes import Axis, axis_of
from stability_sweep.space.dimensions import Choices, Dimension, Range
from stability_sweep.space.roles import BATCH_SIZE, LEARNING_RATE
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.text import printable

NO_CLIPPING = "none"
"""The band of clipping of a study that has no clip norm."""


def write_comparison(path: Path, first: Analysis, second: Analysis, *, storage: str) -> None:
    """Write a page that compares two studies.

    Args:
        path: the HTML file.
        first: one study.
        second: the other.
        storage: where they live, without a password.

    Raises:
        OutputError: if the file cannot be written.
    """
    both = (first, second)
    names = [analysis.study.name for analysis in both]
    named = [analysis.frame.assign(**{columns.STUDY: analysis.study.name}) for analysis in both]
    frame = pd.concat(named, ignore_index=True)
    others = [column for column in frame.columns if column not in (columns.NUMBER, columns.STUDY)]
    frame = frame[[columns.NUMBER, columns.STUDY, *others]]
    axis = _study_axis(names)
    curves = survival_curves(frame, axis)
    tables = {table_names.TRIALS: frame, table_names.SURVIVAL_BY_STUDY: curves}
    sections = [_settings(both), _maps(both), _time(curves, axis), _limits(both)]
    write_page(
        path,
        PageContext(
            name=" and ".join(names),
            description="Two studies side by side, on the same axes.",
            notice=None,
            answer=None,
            sentences=_sentences(both),
            key_figures=[figure for analysis in both for figure in _key_figures(analysis)],
            sections=[section for section in sections if section.exhibits],
            trials_text="The trials of both studies.",
            method=METHOD,
            appendix=[],
            definition_json=json.dumps([json.loads(analysis.study.definition_json) for analysis in both], indent=2),
            fingerprint=f"{first.study.fingerprint[:7]}, {second.study.fingerprint[:7]}",
            storage=storage,
            version=__version__,
            created_at=creation_time(),
            refresh_seconds=None,
            payload=Payload.of(frame, tables, {}, {*first.study.space, *second.study.space}),
        ),
    )


def common_axes(first: SearchSpace, second: SearchSpace) -> dict[str, Axis]:
    """Axes of the dimensions that both studies search, long enough for both."""
    searched = [name for name in first.searched if name in second.searched]
    merged: dict[str, Dimension] = {}
    for name in searched:
        dimension = _merged(first[name], second[name])
        if dimension is not None:
            merged[name] = dimension
    return SearchSpace(merged).axes


def common_role_axis(first: SearchSpace, second: SearchSpace, role: str) -> Axis | None:
    """An axis of the dimension that has a role, whatever either study calls it, long enough for both.

    None unless both search it, or where a range meets a list.
    """
    one, other = first.searched_role_axis(role), second.searched_role_axis(role)
    dimension = None if one is None or other is None else _merged(first[one.name], second[other.name])
    return None if one is None or dimension is None else axis_of(one.name, dimension)


def difference_in_words(first: Proportion, second: Proportion) -> str:
    """How much more often the second diverged, with Newcombe's interval (Stat. Med. 17, 1998)."""
    if not first.total or not second.total:
        return "One of them has no trials yet."
    from statsmodels.stats.proportion import confint_proportions_2indep  # type: ignore[import-untyped]

    low, high = confint_proportions_2indep(
        second.count, second.total, first.count, first.total, method="newcomb", compare="diff", alpha=1 - CONFIDENCE
    )
    change = second.value - first.value
    verdict = "more" if low > 0 else "less" if high < 0 else "not surely more or less"
    return (
        f"The second diverged {verdict} often: a difference of {100 * change:+.0f} percentage points (95% interval "
        f"{100 * low:+.0f} to {100 * high:+.0f}). Shares compare settings only where both sampled the same space."
    )


def _merged(first: Range | Choices, second: Range | Choices) -> Dimension | None:
    """A dimension that holds both; None where a range meets a list."""
    if isinstance(first, Choices) and isinstance(second, Choices):
        return Choices(choices=tuple(dict.fromkeys([*first.choices, *second.choices])))
    if isinstance(first, Range) and isinstance(second, Range) and first.log == second.log:
        return Range(
            low=min(first.low, second.low),
            high=max(first.high, second.high),
            log=first.log,
            off_share=max(first.off_share, second.off_share),
        )
    return None


def _sentences(both: tuple[Analysis, Analysis]) -> list[str]:
    shares = [Proportion.diverged(analysis.trials) for analysis in both]
    parts = [
        f"{analysis.study.name}: {percent(share)} diverged {horizon_in_words(analysis.trials, analysis.study)}."
        for analysis, share in zip(both, shares, strict=True)
    ]
    horizons = [set(analysis.trials[columns.HORIZON]) for analysis in both]
    if horizons[0] != horizons[1] and all(horizons):
        parts.append("Their horizons differ: compare the curves by step, not the shares.")
    return [*parts, difference_in_words(*shares)]


def _key_figures(analysis: Analysis) -> list[KeyFigure]:
    share = Proportion.diverged(analysis.trials)
    low, high = share.interval
    counts = f"{share.count} of {share.total}; 95% interval {low:.0%} to {high:.0%}"
    trust = Trust.of(analysis.quality)
    return [KeyFigure(share_in_figures(share), f"{analysis.study.name} diverged", f"{counts}; {trust}")]


def _settings(both: tuple[Analysis, Analysis]) -> Section:
    mine, theirs = (analysis.study.settings for analysis in both)
    rows = [
        [printable(key), *(printable(settings.get(key, "absent")) for settings in (mine, theirs))]
        for key in sorted(mine.keys() | theirs.keys())
        if mine.get(key) != theirs.get(key)
    ]
    headings = ["setting", *(analysis.study.name for analysis in both)]
    caption = f"{plural(len(rows), 'setting')} differ." if rows else "The definitions are the same."
    return Section("settings", "What differs", "", [Exhibit("", caption, table=Table(headings, rows))])


def _maps(both: tuple[Analysis, Analysis]) -> Section:
    axes = common_axes(both[0].study.space, both[1].study.space)
    names = [name for name in both[0].study.space.core if name in axes]
    shown = [_map(analysis, axes[x], axes[y]) for x, y in itertools.combinations(names, 2) for analysis in both]
    text = (
        "P(diverge) on common axes; what a study did not search is empty. Other dimensions stand at the study's own "
        "baseline."
    )
    return Section(MAPS.key, MAPS.title, text, shown)


def _map(analysis: Analysis, x: Axis, y: Axis) -> Exhibit:
    trials, space = analysis.trials, analysis.study.space
    model = None if analysis.surface is None else pair_map(analysis.surface, space, x, y)
    (caption,) = map_captions(trials, x, y, model, space)
    return Exhibit(
        f"{analysis.study.name}: {x.title} × {y.title}",
        caption,
        figure=stability_map(trials, x, y, model, space),
        counts_caption=caption,
        has_model=model is not None,
    )


def _time(curves: pd.DataFrame, axis: Axis) -> Section:
    shown = []
    if not curves.empty:
        figure = survival_figure(curves)
        shown = [Exhibit("all trials", survival_finding(curves, axis), table_names.SURVIVAL_BY_STUDY, figure)]
    return Section(TIME.key, TIME.title, "The share of trials that are still finite, by step.", shown)


def _limits(both: tuple[Analysis, Analysis]) -> Section:
    mine, theirs = (analysis.study.space for analysis in both)
    rate, batch = (common_role_axis(mine, theirs, role) for role in (LEARNING_RATE, BATCH_SIZE))
    has_batch = any(space.role(BATCH_SIZE) for space in (mine, theirs))
    if any(analysis.limits.empty for analysis in both) or rate is None or (has_batch and batch is None):
        return Section(LIMITS.key, LIMITS.title, "", [])
    lines = pd.concat([_loosest(analysis) for analysis in both], ignore_index=True)
    caption = " ".join(f"{analysis.study.name}: {speed_limit_finding(analysis)}" for analysis in both)
    figure = speed_limit_figure(lines, batch, rate)
    return Section(LIMITS.key, LIMITS.title, "", [Exhibit("with the loosest clipping", caption, figure=figure)])


def _loosest(analysis: Analysis) -> pd.DataFrame:
    """The speed limits with the loosest clipping, under the study's name."""
    clip = analysis.limits[columns.CLIP].fillna(NO_CLIPPING)
    loosest: pd.DataFrame = analysis.limits[clip == clip.iloc[-1]]
    # Of clipping the figure shows the label alone, and one study may have values where the other has none.
    shown = loosest.drop(columns=columns.CLIP_NORM)
    return shown.assign(**{columns.CLIP: f"{clip.iloc[-1]}, {analysis.study.name}"})


def _study_axis(names: list[str]) -> Axis:
    """The studies as the choices of a dimension."""
    edges = tuple(place - 0.5 for place in range(len(names) + 1))
    return Axis(columns.STUDY, edges, tuple(names), tuple(names), False, False)
