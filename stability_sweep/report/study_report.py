"""The stability report of one study: its panels on one page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from stability_sweep import __version__
from stability_sweep.analysis import Analysis
from stability_sweep.report.method import METHOD
from stability_sweep.report.page.choices import choices_of
from stability_sweep.report.page.context import PageContext
from stability_sweep.report.page.payload import Payload, TrialDetail, listed_trials
from stability_sweep.report.page.rendering import write_page
from stability_sweep.report.page.trial_details import MOST_DETAILED
from stability_sweep.report.panels.appendix import appendix
from stability_sweep.report.panels.key_figures import key_figures
from stability_sweep.report.panels.registry import report_sections
from stability_sweep.report.questions import answer_block
from stability_sweep.report.summary import counted_sentences
from stability_sweep.report.wording import plural

MOST_NAMED = 10
"""Damaged trials that are named one by one."""


def write_report(
    path: Path,
    analysis: Analysis,
    *,
    storage: str,
    details: Mapping[int, TrialDetail] | None = None,
    refresh_seconds: int | None = None,
) -> None:
    """Write the stability report of a study.

    Args:
        path: the HTML file. Its folder is made if need be; an older report is replaced only by a complete new one.
        analysis: the study in numbers.
        storage: where the study lives, without a password.
        details: telemetry and autopsies of trials, from `trial_details`.
        refresh_seconds: how often the page loads itself anew.

    Raises:
        DefinitionError: if an installed package adds a panel that cannot be imported.
        OutputError: if the file cannot be written.
    """
    study, details = analysis.study, details or {}
    sections = report_sections(analysis)
    context = PageContext(
        name=study.name,
        description=study.description,
        notice=study.notice,
        answer=None if analysis.trials.empty else answer_block(analysis),
        sentences=counted_sentences(analysis),
        key_figures=key_figures(analysis),
        sections=sections,
        trials_text=_trials_text(len(listed_trials(analysis.frame)), len(analysis.frame)) + _unreadable(details),
        method=METHOD,
        appendix=appendix(analysis.frame),
        definition_json=json.dumps(json.loads(study.definition_json), indent=2),
        fingerprint=study.fingerprint,
        storage=storage,
        version=__version__,
        created_at=creation_time(),
        refresh_seconds=refresh_seconds,
        payload=Payload.of(analysis.frame, analysis.tables(), details, study.space, choices=choices_of(sections)),
    )
    write_page(path, context)


def creation_time() -> str:
    """Now, as a page says it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def _trials_text(listed: int, total: int) -> str:
    text = "Filter and sort; a row, or a click on a mark in a figure, opens the trial, with its telemetry and autopsy"
    text += f" (kept on this page for {MOST_DETAILED} trials)." if total > MOST_DETAILED else "."
    if listed < total:
        text += f" {listed} of {total} trials are listed, evenly chosen; `stability-sweep export` writes all."
    return text


def _unreadable(details: Mapping[int, TrialDetail]) -> str:
    """Which trials' telemetry or autopsy could not be read; empty where there is none."""
    numbers = sorted(number for number, detail in details.items() if detail.damaged is not None)
    if not numbers:
        return ""
    some = ", ".join(map(str, numbers[:MOST_NAMED])) + (", ..." if len(numbers) > MOST_NAMED else "")
    return (
        f" What {plural(len(numbers), 'trial')} stored of their steps is damaged, or of a newer version, and is "
        f"left out here: {some}."
    )
