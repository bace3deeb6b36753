"""Making a study of ours out of a copy that another program made: the way back from a rename by Optuna's tools.

What only we keep comes from the original, as long as that is in the same database; without it, the results come from
the notes that Optuna's trials carry (`ResultNote`), and telemetry and autopsies are lost.
"""

from __future__ import annotations

import json
from typing import Any

import optuna
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.errors import StudyError
from stability_sweep.results.outcome import TrialResult
from stability_sweep.storage.database import CREATION, Database
from stability_sweep.storage.marks import (
    STUDY_ATTRIBUTE,
    FoundStudy,
    definition_values,
    find_study_row,
    stored_study,
    study_mark,
)
from stability_sweep.storage.optuna_trials import trial_id_of
from stability_sweep.storage.records import Provenance, StoredStudy, result_row, stored_result
from stability_sweep.storage.schema import AutopsyRow, DefinitionRow, ResultRow, TelemetryRow

RESULT_ATTRIBUTE = "stability_sweep:result"
"""Optuna's user attribute of a finished trial: what came of it, for other programs and for copies."""


class ResultNote(BaseModel):
    """A trial's result as Optuna's own data carry it."""

    model_config = ConfigDict(ser_json_inf_nan="strings")

    result: TrialResult
    provenance: Provenance

    def as_attribute(self) -> dict[str, Any]:
        """Plain JSON: NaN and infinities are texts."""
        return dict(json.loads(self.model_dump_json(by_alias=True)))


def adopt(database: Database, name: str) -> StoredStudy:
    """Make a study of ours out of a copy, in one transaction.

    Raises:
        StudyError: if there is no such study, or it is no copy of one of ours.
    """
    with database.lock(CREATION):
        database.tidy()
        with database.session() as session:
            found = find_study_row(session, name)
            if found is None:
                raise StudyError(f"there is no study {name!r} in {database}")
            if found.definition is not None:
                raise StudyError(f"study {name!r} is one of ours already: there is nothing to adopt")
            if found.mark is None:
                raise StudyError(f"study {name!r} {found.why_not_ours(session)}")
            mark, original = found.mark, found.original(session)
            original_id = None if original is None else original.study_id
        with database.errors():
            trials = database.optuna_storage.get_all_trials(found.study_id)
        definition = StudyDefinition.from_json(mark["definition"]).named(name)
        row = DefinitionRow(study_id=found.study_id, **definition_values(definition, mark["dataset"]))
        with database.session() as session:
            session.merge(row)
            session.flush()
            _copy_results(session, found, original_id, trials)
        study = stored_study(name, row)
        with database.errors():
            database.optuna_storage.set_study_user_attr(study.study_id, STUDY_ATTRIBUTE, study_mark(study))
    return study


def _copy_results(
    session: Session, found: FoundStudy, original_id: int | None, trials: list[optuna.trial.FrozenTrial]
) -> None:
    kept: dict[int, ResultRow] = {}
    if original_id is not None:
        rows = session.scalars(select(ResultRow).where(ResultRow.study_id == original_id))
        kept = {row.number: row for row in rows}
    for trial in trials:
        if not trial.state.is_finished():
            continue
        trial_id, number = trial_id_of(trial), trial.number
        row = kept.get(number)
        if row is not None:
            stored = stored_result(row)
            session.add(result_row(found.study_id, trial_id, number, stored.result, stored.provenance))
            telemetry = session.get(TelemetryRow, row.trial_id)
            if telemetry is not None:
                session.add(TelemetryRow(trial_id=trial_id, content=telemetry.content))
            autopsy = session.get(AutopsyRow, row.trial_id)
            if autopsy is not None:
                session.add(AutopsyRow(trial_id=trial_id, content=autopsy.content))
            continue
        note = _note(trial)
        if note is not None:
            session.add(result_row(found.study_id, trial_id, number, note.result, note.provenance))


def _note(trial: optuna.trial.FrozenTrial) -> ResultNote | None:
    try:
        return ResultNote.model_validate(trial.user_attrs.get(RESULT_ATTRIBUTE))
    except (ValidationError, ValueError, TypeError):  # not ours, or changed
        return None
