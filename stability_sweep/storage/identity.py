"""Whether a result belongs to the trial that bears its number now.

Names, paths and numbers are given away again: a study is deleted and another one gets its number, a file is moved, a
backup is restored under workers that run. A result is stored only where everything that no other trial has fits.
"""

from __future__ import annotations

import math

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from stability_sweep.errors import ForeignResultError
from stability_sweep.results.outcome import TrialResult
from stability_sweep.storage.optuna_tables import trial_params, trials
from stability_sweep.storage.records import StoredStudy, TrialIdentity
from stability_sweep.storage.schema import AutopsyRow, DefinitionRow, HoldRow, ResultRow, TelemetryRow


def is_stored(
    session: Session,
    study: StoredStudy,
    trial_id: int,
    number: int,
    result: TrialResult,
    identity: TrialIdentity | None = None,
) -> bool:
    """Whether the trial has this result already, having made sure that it is the trial's own.

    Args:
        session: the transaction that is to store it.
        study: the study, as whoever measured the result knows it.
        trial_id: Optuna's id of the trial.
        number: its number in the study.
        result: what came of it.
        identity: which trial it was measured for; without it only study, number and seed are compared.

    Raises:
        ForeignResultError: if it was measured for another trial than the one that is there now.
    """
    row = session.execute(
        select(
            trials.c.study_id,
            trials.c.number,
            DefinitionRow.study_uuid,
            HoldRow.trial_uuid,
            ResultRow.study_id.label("result_study_id"),
            ResultRow.seed,
        )
        .outerjoin(DefinitionRow, DefinitionRow.study_id == trials.c.study_id)
        .outerjoin(HoldRow, HoldRow.trial_id == trials.c.trial_id)
        .outerjoin(ResultRow, ResultRow.trial_id == trials.c.trial_id)
        .where(trials.c.trial_id == trial_id)
    ).first()
    what = f"the result of trial {number} of study {study.name!r}"
    if row is None or (row.study_id, row.number) != (study.study_id, number):
        raise ForeignResultError(f"{what} has no trial to go to: it was deleted, or an older database was restored")
    if row.study_uuid != study.study_uuid:
        raise ForeignResultError(f"{what} was measured for another study, which had that name and number before")
    if identity is not None:
        if identity.trial_uuid != row.trial_uuid:
            raise ForeignResultError(f"{what} was measured for another trial, which had that number before")
        if not _is_same_point(session, trial_id, identity.params):
            raise ForeignResultError(f"{what} was measured at another point than the one that the trial has now")
    if row.result_study_id is None:
        return False
    if row.result_study_id != study.study_id:
        for table in (ResultRow, TelemetryRow, AutopsyRow):  # left behind by a deleted trial of that id
            session.execute(delete(table).where(table.trial_id == trial_id))
        return False
    if row.seed != result.seed:
        raise ForeignResultError(f"{what} has seed {result.seed}, but the one that is stored has seed {row.seed}")
    return True


def _is_same_point(session: Session, trial_id: int, params: dict[str, float]) -> bool:
    rows = session.execute(
        select(trial_params.c.param_name, trial_params.c.param_value).where(trial_params.c.trial_id == trial_id)
    )
    stored = {str(row.param_name): float(row.param_value) for row in rows}
    return stored.keys() == params.keys() and all(
        math.isclose(stored[name], params[name], rel_tol=1e-9) for name in params
    )
