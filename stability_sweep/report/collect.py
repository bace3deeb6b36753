"""From a study in the database to its analysis and its report."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from stability_sweep.analysis import Analysis, analyse
from stability_sweep.analysis.forensics import MOST_TRIALS_PER_OUTCOME
from stability_sweep.definition.claims import DEFAULT_TOLERANCE
from stability_sweep.errors import TelemetryError
from stability_sweep.report.page.payload import TrialDetail
from stability_sweep.report.page.trial_details import trial_details
from stability_sweep.report.study_report import write_report
from stability_sweep.sources.protocol import OnDamaged, Source

logger = logging.getLogger(__name__)


def analyse_study(
    source: Source, *, tolerance: float = DEFAULT_TOLERANCE, damaged: dict[int, str] | None = None
) -> Analysis:
    """Load a study and analyse it. Telemetry that cannot be read is left out, with a warning.

    Args:
        source: the study.
        tolerance: P(diverge) up to which a setting is called safe.
        damaged: filled with what is wrong with stored telemetry, by the trial's number.
    """
    note = _noting({} if damaged is None else damaged)
    telemetry = source.telemetries(most_per_outcome=MOST_TRIALS_PER_OUTCOME, on_damaged=note)
    return analyse(source.facts, source.frame(), telemetry, tolerance=tolerance)


def write_study_report(
    source: Source, path: Path, *, tolerance: float = DEFAULT_TOLERANCE, refresh_seconds: int | None = None
) -> Analysis:
    """Write a study's HTML report, and return what it was made from.

    Args:
        source: the study.
        path: the HTML file.
        tolerance: P(diverge) up to which a setting is called safe.
        refresh_seconds: how often the page loads itself anew.

    Raises:
        OutputError: if the file cannot be written.
    """
    damaged: dict[int, str] = {}
    analysis = analyse_study(source, tolerance=tolerance, damaged=damaged)
    details = trial_details(source, analysis.frame, on_damaged=_noting(damaged))
    for number, reason in damaged.items():
        details[number] = replace(details.get(number, TrialDetail()), damaged=reason)
    write_report(path, analysis, storage=source.place, details=details, refresh_seconds=refresh_seconds)
    return analysis


def _noting(damaged: dict[int, str]) -> OnDamaged:
    """Takes notes of damaged telemetry, and warns of each trial once."""

    def note(number: int, error: TelemetryError) -> None:
        if number not in damaged:
            logger.warning("trial %d: %s; the report leaves it out", number, error)
        damaged[number] = str(error)

    return note
