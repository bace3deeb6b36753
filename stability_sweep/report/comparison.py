"""Several studies side by side, on the same axes; the first is the baseline of the others."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from stability_sweep import __version__
from stability_sweep.analysis import Analysis, Proportion, table_names
from stability_sweep.analysis.maps import pair_map
from stability_sweep.analysis.pooled import common_axes, common_role_axis, have_same_horizons, judge_studies
from stability_sweep.analysis.proportion import CONFIDENCE
from stability_sweep.analysis.remedies import Remedies
from stability_sweep.analysis.survival import survival_curves
from stability_sweep.report.answer_words import answer_json, answer_sentence
from stability_sweep.report.blocks import Exhibit, KeyFigure, Section, Table
from stability_sweep.report.files.json_file import json_rows, remedies_json
from stability_sweep.report.method import METHOD
from stability_sweep.report.page.context import AnswerBlock, PageContext
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
from stability_sweep.report.panels.which_remedy import remedies_section
from stability_sweep.report.remedy_words import points, remedies_finding
from stability_sweep.report.study_report import creation_time
from stability_sweep.report.wording import all_of, horizon_in_words, percent, plural
from stability_sweep.results import columns
from stability_sweep.results.numbers import DIGITS
from stability_sweep.space.axes import Axis
from stability_sweep.space.roles import BATCH_SIZE, LEARNING_RATE
from stability_sweep.text import printable

NO_CLIPPING = "none"
"""The band of clipping of a study that has no clip norm."""


MOST_NAMED = 4
"""Studies that the title names one by one."""


def write_comparison(path: Path, analyses: Sequence[Analysis], *, storage: str) -> None:
    """Write a page that compares studies.

    Args:
        path: the HTML file.
        analyses: at least two, of studies of different names; the first is the baseline.
        storage: where they live, without a password.

    Raises:
        OutputError: if the file cannot be written.
    """
    named = [analysis.frame.assign(**{columns.STUDY: analysis.study.name}) for analysis in analyses]
    frame = pd.concat(named, ignore_index=True)
    others = [column for column in frame.columns if column not in (columns.NUMBER, columns.STUDY)]
    frame = frame[[columns.NUMBER, columns.STUDY, *others]]
    curves, remedies = curves_by_study(analyses), judge_studies(analyses)
    tables = {
        table_names.TRIALS: frame,
        table_names.SURVIVAL_BY_STUDY: curves,
        table_names.REMEDIES: remedies.table,
    }
    sections = [
        _settings(analyses),
        _maps(analyses),
        _time(curves),
        _limits(analyses),
        remedies_section(remedies),
    ]
    write_page(
        path,
        PageContext(
            name=_names_in_words([analysis.study.name for analysis in analyses]),
            description="Studies side by side, on the same axes; the first is the baseline of the others.",
            notice=None,
            answer=_answers(analyses),
            sentences=comparison_sentences(analyses, remedies),
            key_figures=[figure for analysis in analyses for figure in _key_figures(analysis)],
            sections=[section for section in sections if section.exhibits],
            trials_text=f"The trials of {all_of(len(analyses))} studies.",
            method=METHOD,
            appendix=[],
            definition_json=json.dumps([json.loads(each.study.definition_json) for each in analyses], indent=2),
            fingerprint=", ".join(analysis.study.fingerprint[:7] for analysis in analyses),
            storage=storage,
            version=__version__,
            created_at=creation_time(),
            refresh_seconds=None,
            payload=Payload.of(frame, tables, {}, {name for analysis in analyses for name in analysis.study.space}),
        ),
    )


def comparison_json(analyses: Sequence[Analysis]) -> dict[str, Any]:
    """What the page says, for programs; numbers that are not finite are texts: see `results.numbers`.

    Args:
        analyses: as for `write_comparison`.
    """
    names, remedies = [analysis.study.name for analysis in analyses], judge_studies(analyses)
    differing = differing_settings(analyses)
    return {
        "studies": names,
        "version": __version__,
        "answers": [
            {"study": analysis.study.name, **answer_json(analysis.answer, analysis.study)} for analysis in analyses
        ],
        "summary": comparison_sentences(analyses, remedies),
        "tolerance": analyses[0].tolerance,
        "settings": {key: dict(zip(names, values, strict=True)) for key, values in differing.items()},
        **remedies_json(remedies),
        "tables": {table_names.SURVIVAL_BY_STUDY: json_rows(curves_by_study(analyses), digits=DIGITS)},
    }


def differences_in_words(names: Sequence[str], shares: Sequence[Proportion]) -> list[str]:
    """How much more often than the first each other one diverged, with Newcombe's interval (Stat. Med. 17, 1998).

    Args:
        names: of the studies.
        shares: of their trials that diverged.
    """
    from statsmodels.stats.proportion import confint_proportions_2indep  # type: ignore[import-untyped]

    first, said = shares[0], []
    for name, share in zip(names[1:], shares[1:], strict=True):
        if not first.total or not share.total:
            said.append(f"{name} cannot be compared with {names[0]}: one of them has no trials yet.")
            continue
        low, high = confint_proportions_2indep(
            share.count, share.total, first.count, first.total, method="newcomb", compare="diff", alpha=1 - CONFIDENCE
        )
        verdict = "more" if low > 0 else "less" if high < 0 else "not surely more or less"
        said.append(
            f"{name} diverged {verdict} often than {names[0]}: a difference of {points(share.value - first.value)} "
            f"percentage points (95% interval {points(low)} to {points(high)})."
        )
    return [*said, "Shares compare settings only where all sampled the same space."]


def comparison_sentences(analyses: Sequence[Analysis], remedies: Remedies) -> list[str]:
    """How often each study diverged, against the first, and how many of them help.

    Args:
        analyses: of the studies.
        remedies: from `judge_studies`.
    """
    shares = [Proportion.diverged(analysis.trials) for analysis in analyses]
    parts = [
        f"{analysis.study.name}: {percent(share)} diverged {horizon_in_words(analysis.trials, analysis.study)}."
        if share.total
        else f"{analysis.study.name} has no trials yet."
        for analysis, share in zip(analyses, shares, strict=True)
    ]
    if not have_same_horizons(analyses):
        parts.append("Their horizons differ: compare the curves by step, not the shares.")
    parts += differences_in_words([analysis.study.name for analysis in analyses], shares)
    if not common_axes([analysis.study.space for analysis in analyses]):
        parts.append("They search no dimension in common: there are no maps on common axes.")
    return parts if remedies.table.empty else [*parts, remedies_finding(remedies.table)]


def differing_settings(analyses: Sequence[Analysis]) -> dict[str, list[str]]:
    """The settings in which the studies are not all alike, each with its values, study by study."""
    settings = [analysis.study.settings for analysis in analyses]
    found = {key: [each.get(key, "absent") for each in settings] for key in sorted(set().union(*settings))}
    return {key: values for key, values in found.items() if len(set(values)) > 1}


def curves_by_study(analyses: Sequence[Analysis]) -> pd.DataFrame:
    """`survival_curves` with a group per study; those without trials are left out."""
    tables = []
    for place, analysis in enumerate(analyses):
        name = analysis.study.name
        # One by one: of the bands of an axis, neighbours would be merged where there are many.
        axis = Axis(columns.STUDY, (-0.5, 0.5), (name,), (name,), False, False)
        curve = survival_curves(analysis.frame.assign(**{columns.STUDY: name}), axis)
        tables.append(curve.assign(**{columns.GROUP: place}))
    full = [table for table in tables if len(table)]
    return pd.concat(full, ignore_index=True) if full else tables[0]


def _names_in_words(names: Sequence[str]) -> str:
    """``a and b``; ``a, b, c and d``; of many the first ones, and how many more."""
    shown = (
        list(names) if len(names) <= MOST_NAMED else [*names[: MOST_NAMED - 1], f"{len(names) - MOST_NAMED + 1} more"]
    )
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def _answers(analyses: Sequence[Analysis]) -> AnswerBlock:
    """The answer of every study."""
    said = [f"{analysis.study.name}: {answer_sentence(analysis.answer, analysis.study)}" for analysis in analyses]
    return AnswerBlock(said, [], [], [], [], (0, 0), [], of_several=True)


def _key_figures(analysis: Analysis) -> list[KeyFigure]:
    share = Proportion.diverged(analysis.trials)
    low, high = share.interval
    counts = f"{share.count} of {share.total}; 95% interval {low:.0%} to {high:.0%}"
    trust = Trust.of(analysis.quality)
    return [KeyFigure(share_in_figures(share), f"{analysis.study.name} diverged", f"{counts}; {trust}")]


def _settings(analyses: Sequence[Analysis]) -> Section:
    found = differing_settings(analyses)
    headings = ["setting", *(analysis.study.name for analysis in analyses)]
    rows = [[printable(value) for value in (key, *values)] for key, values in found.items()]
    caption = f"{plural(len(rows), 'setting')} {'differs' if len(rows) == 1 else 'differ'}."
    shown = Exhibit("", caption, table=Table(headings, rows)) if rows else Exhibit("", "The definitions are the same.")
    return Section("settings", "What differs", "", [shown])


def _maps(analyses: Sequence[Analysis]) -> Section:
    axes = common_axes([analysis.study.space for analysis in analyses])
    names = [name for name in analyses[0].study.space.core if name in axes]
    shown = [_map(analysis, axes[x], axes[y]) for x, y in itertools.combinations(names, 2) for analysis in analyses]
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


def _time(curves: pd.DataFrame) -> Section:
    shown = []
    if not curves.empty:
        finding, figure = survival_finding(curves, columns.STUDY, every_group=True), survival_figure(curves)
        shown = [Exhibit("all trials", finding, table_names.SURVIVAL_BY_STUDY, figure)]
    return Section(TIME.key, TIME.title, "The share of trials that are still finite, by step.", shown)


def _limits(analyses: Sequence[Analysis]) -> Section:
    """Of the studies that have limits, if these are two or more along common axes."""
    with_limits = [analysis for analysis in analyses if not analysis.limits.empty]
    spaces = [analysis.study.space for analysis in with_limits]
    if len(with_limits) < 2:
        return Section(LIMITS.key, LIMITS.title, "", [])
    rate, batch = (common_role_axis(spaces, role) for role in (LEARNING_RATE, BATCH_SIZE))
    has_batch = any(space.role(BATCH_SIZE) for space in spaces)
    if rate is None or (has_batch and batch is None):
        return Section(LIMITS.key, LIMITS.title, "", [])
    lines = pd.concat([_loosest(analysis) for analysis in with_limits], ignore_index=True)
    caption = " ".join(f"{analysis.study.name}: {speed_limit_finding(analysis)}" for analysis in analyses)
    figure = speed_limit_figure(lines, batch, rate)
    return Section(LIMITS.key, LIMITS.title, "", [Exhibit("with the loosest clipping", caption, figure=figure)])


def _loosest(analysis: Analysis) -> pd.DataFrame:
    """The speed limits with the loosest clipping, under the study's name."""
    clip = analysis.limits[columns.CLIP].fillna(NO_CLIPPING)
    loosest: pd.DataFrame = analysis.limits[clip == clip.iloc[-1]]
    # Of clipping the figure shows the label alone, and one study may have values where the other has none.
    shown = loosest.drop(columns=columns.CLIP_NORM)
    return shown.assign(**{columns.CLIP: f"{clip.iloc[-1]}, {analysis.study.name}"})
