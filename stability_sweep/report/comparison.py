"""Two studies side by side, on the same axes."""

from __future__ import annotations

import itertools
import json
from datetime import datetime, timezone
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from stability_sweep import __version__
from stability_sweep.analysis import Analysis, Proportion
from stability_sweep.analysis.maps import pair_map
from stability_sweep.analysis.proportion import CONFIDENCE
from stability_sweep.analysis.survival import survival_curves
from stability_sweep.report import map_words, panels, words
from stability_sweep.report.maps import stability_map, trials_on_slices
from stability_sweep.report.page import KeyFigure, PageContext, Panel, Section, Table, figure_panel, write_page
from stability_sweep.report.payload import payload
from stability_sweep.report.study import METHOD
from stability_sweep.space.axes import Axis
from stability_sweep.space.dimensions import Choices, Dimension, Range
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.text import printable


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
    frame = pd.concat([analysis.frame.assign(study=analysis.study.name) for analysis in both], ignore_index=True)
    frame = frame[["number", "study", *[column for column in frame.columns if column not in ("number", "study")]]]
    axis = _study_axis(names)
    curves = survival_curves(frame, axis)
    sections = [_settings(both), _maps(both), _time(curves, axis), _limits(both)]
    write_page(
        path,
        PageContext(
            name=" and ".join(names),
            description="Two studies side by side, on the same axes.",
            notice=None,
            sentences=_sentences(both),
            key_figures=[figure for analysis in both for figure in _key_figures(analysis)],
            sections=[section for section in sections if section.panels],
            trials_text="The trials of both studies.",
            method=METHOD,
            appendix=[],
            definition_json=json.dumps([json.loads(analysis.study.definition_json) for analysis in both], indent=2),
            fingerprint=f"{first.study.fingerprint[:7]}, {second.study.fingerprint[:7]}",
            storage=storage,
            version=__version__,
            created_at=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            refresh_seconds=None,
            payload=Markup(payload(frame, {"trials": frame, "survival-by-study": curves}, {}, first.study.space)),
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
        f"{analysis.study.name}: {words.percent(share)} diverged "
        f"{words.horizon_in_words(analysis.trials, analysis.study)}."
        for analysis, share in zip(both, shares, strict=True)
    ]
    horizons = [set(analysis.trials["horizon"]) for analysis in both]
    if horizons[0] != horizons[1] and all(horizons):
        parts.append("Their horizons differ: compare the curves by step, not the shares.")
    return [*parts, difference_in_words(*shares)]


def _key_figures(analysis: Analysis) -> list[KeyFigure]:
    share = Proportion.diverged(analysis.trials)
    low, high = share.interval
    return [
        KeyFigure(
            f"{share.value:.0%}" if share.total else "–",
            f"{analysis.study.name} diverged",
            f"{share.count} of {share.total}; 95% interval {low:.0%} to {high:.0%}; "
            f"{words.trust_in_words(analysis.quality)}",
        )
    ]


def _settings(both: tuple[Analysis, Analysis]) -> Section:
    mine, theirs = (analysis.study.settings for analysis in both)
    rows = [
        [printable(key), *(printable(settings.get(key, "absent")) for settings in (mine, theirs))]
        for key in sorted(mine.keys() | theirs.keys())
        if mine.get(key) != theirs.get(key)
    ]
    headings = ["setting", *(analysis.study.name for analysis in both)]
    caption = f"{words.plural(len(rows), 'setting')} differ." if rows else "The definitions are the same."
    return Section("settings", "What differs", "", [Panel("", caption, table=Table(headings, rows))])


def _maps(both: tuple[Analysis, Analysis]) -> Section:
    axes = common_axes(both[0].study.space, both[1].study.space)
    shown = []
    for x, y in itertools.combinations([name for name in both[0].study.space.core if name in axes], 2):
        for analysis in both:
            model = None
            if analysis.surface is not None:
                model = pair_map(analysis.surface, analysis.study.space, axes[x], axes[y])
            on_slices = trials_on_slices(analysis.trials, model)
            shown.append(
                figure_panel(
                    f"{analysis.study.name}: {axes[x].title} × {axes[y].title}",
                    f"{map_words.map_finding(model, axes[x], axes[y], analysis.study.space)} "
                    f"{map_words.slice_finding(model, on_slices, len(analysis.trials))}",
                    stability_map(analysis.trials, axes[x], axes[y], model),
                    has_model=model is not None,
                )
            )
    text = (
        "P(diverge) on common axes; what a study did not search is empty. Other dimensions stand at the study's own "
        "baseline."
    )
    return Section("maps", "Stability maps", text, shown)


def _time(curves: pd.DataFrame, axis: Axis) -> Section:
    if curves.empty:
        return Section("time", "How soon it diverges", "", [])
    shown = figure_panel(
        "all trials", words.survival_finding(curves, axis), panels.survival_figure(curves, "study"), "survival-by-study"
    )
    return Section("time", "How soon it diverges", "The share of trials that are still finite, by step.", [shown])


def _limits(both: tuple[Analysis, Analysis]) -> Section:
    axes = common_axes(both[0].study.space, both[1].study.space)
    if any(analysis.limits.empty for analysis in both) or "learning_rate" not in axes or "batch_size" not in axes:
        return Section("limits", "Speed limit", "", [])
    lines = pd.concat(
        [
            analysis.limits[analysis.limits["clip"] == analysis.limits["clip"].iloc[-1]].assign(
                clip=f"{analysis.limits['clip'].iloc[-1]}, {analysis.study.name}"
            )
            for analysis in both
        ],
        ignore_index=True,
    )
    captions = [f"{analysis.study.name}: {words.speed_limit_finding(analysis)}" for analysis in both]
    figure = panels.speed_limit_figure(lines, axes["batch_size"], axes["learning_rate"])
    return Section("limits", "Speed limit", "", [figure_panel("with the loosest clipping", " ".join(captions), figure)])


def _study_axis(names: list[str]) -> Axis:
    """The studies as the choices of a dimension."""
    edges = tuple(place - 0.5 for place in range(len(names) + 1))
    return Axis("study", edges, tuple(names), tuple(names), False, False)
