"""From a study in the database to its analysis and its report."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from stability_sweep.analysis import Analysis, analyse, study_frame
from stability_sweep.analysis.forensics import MOST_TRIALS_PER_OUTCOME
from stability_sweep.claim import DEFAULT_TOLERANCE, Claim
from stability_sweep.errors import TelemetryError
from stability_sweep.report.payload import trial_details
from stability_sweep.report.study import write_report
from stability_sweep.storage import Repository, StoredStudy
from stability_sweep.storage.repository import OnDamaged

logger = logging.getLogger(__name__)


def analyse_study(
    repository: Repository,
    study: StoredStudy,
    *,
    tolerance: float = DEFAULT_TOLERANCE,
    claims: Sequence[Claim] | None = None,
    damaged: dict[int, str] | None = None,
) -> Analysis:
    """Load a study and analyse it. Telemetry that cannot be read is left out, with a warning.

    Args:
        repository: where it lives.
        study: the study.
        tolerance: P(diverge) up to which a setting is called safe.
        claims: to judge these instead of the definition's.
        damaged: filled with what is wrong with stored telemetry, by the trial's number.
    """
    note = _noting({} if damaged is None else damaged)
    definition = study.effective_definition
    if claims is not None:
        definition = definition.with_claims(claims)
    telemetry = (
        (stored.result, telemetry)
        for stored, telemetry in repository.telemetries(
            study, most_per_outcome=MOST_TRIALS_PER_OUTCOME, on_damaged=note
        )
    )
    return analyse(definition, study_frame(repository, study), telemetry, tolerance=tolerance)


def write_study_report(
    repository: Repository,
    study: StoredStudy,
    path: Path,
    *,
    tolerance: float = DEFAULT_TOLERANCE,
    claims: Sequence[Claim] | None = None,
    refresh_seconds: int | None = None,
) -> Analysis:
    """Write a study's HTML report, and return what it was made from. Arguments as for `analyse_study`.

    Raises:
        OutputError: if the file cannot be written.
    """
    damaged: dict[int, str] = {}
    analysis = analyse_study(repository, study, tolerance=tolerance, claims=claims, damaged=damaged)
    details = trial_details(repository, study, analysis.frame, on_damaged=_noting(damaged))
    for number, reason in damaged.items():
        details.setdefault(number, {})["damaged"] = reason
    write_report(
        path,
        analysis,
        asked=study.definition,
        storage=str(repository.database),
        details=details,
        refresh_seconds=refresh_seconds,
    )
    return analysis


def _noting(damaged: dict[int, str]) -> OnDamaged:
    """Takes notes of damaged telemetry, and warns of each trial once."""

    def note(number: int, error: TelemetryError) -> None:
        if number not in damaged:
            logger.warning("trial %d: %s; the report leaves it out", number, error)
        damaged[number] = str(error)

    return note
