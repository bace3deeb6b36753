"""From a study in the database to its analysis and its report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stability_sweep.analysis import Analysis, analyse, study_frame
from stability_sweep.analysis.forensics import MOST_TRIALS_PER_OUTCOME
from stability_sweep.claim import DEFAULT_TOLERANCE, Claim
from stability_sweep.report.payload import trial_details
from stability_sweep.report.study import write_report
from stability_sweep.storage import Repository, StoredStudy


def analyse_study(
    repository: Repository,
    study: StoredStudy,
    *,
    tolerance: float = DEFAULT_TOLERANCE,
    claims: Sequence[Claim] | None = None,
) -> Analysis:
    """Load a study and analyse it.

    Args:
        repository: where it lives.
        study: the study.
        tolerance: P(diverge) up to which a setting is called safe.
        claims: to judge these instead of the definition's.
    """
    definition = study.effective_definition
    if claims is not None:
        definition = definition.with_claims(claims)
    telemetry = (
        (stored.result, telemetry)
        for stored, telemetry in repository.telemetries(study, most_per_outcome=MOST_TRIALS_PER_OUTCOME)
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
    analysis = analyse_study(repository, study, tolerance=tolerance, claims=claims)
    write_report(
        path,
        analysis,
        asked=study.definition,
        storage=str(repository.database),
        details=trial_details(repository, study, analysis.frame),
        refresh_seconds=refresh_seconds,
    )
    return analysis
