"""Which studies are ours, and what a study of Optuna is that bears our mark but is not.

A study of ours has a row of ours and a mark in Optuna's own data. Other programs copy the mark along with a study (so
do Optuna's `copy_study` and the dashboard's "rename"), but not the row: that tells a copy from its original. A study
that was renamed in place keeps both.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from stability_sweep import __version__
from stability_sweep.definition.study import StudyDefinition
from stability_sweep.storage.optuna_tables import studies, study_user_attributes
from stability_sweep.storage.records import StoredStudy
from stability_sweep.storage.schema import DefinitionRow

STUDY_ATTRIBUTE = "stability_sweep:study"
"""Optuna's user attribute of a study that says which one it is, with its definition."""


UNFINISHED = "stability-sweep-unfinished-"
"""Beginning of the name that a study has in Optuna until it is one of ours, a moment later."""


@dataclass(frozen=True)
class FoundStudy:
    """A study of Optuna, and what is known about it here."""

    name: str
    study_id: int
    definition: DefinitionRow | None
    """None for one that is not ours."""
    mark: dict[str, Any] | None
    """What `study_mark` wrote, into this study or into the one that it is a copy of."""

    def original(self, session: Session) -> DefinitionRow | None:
        """The study of ours that this one is a copy of, if it is still there."""
        if self.mark is None:
            return None
        return session.scalar(select(DefinitionRow).where(DefinitionRow.study_uuid == str(self.mark["study"])))

    def why_not_ours(self, session: Session) -> str:
        """What to say of it, after its name."""
        if self.mark is None:
            return "was not made by stability-sweep; choose another name"
        original = self.original(session)
        instead = f", or use {_present_name(session, original)!r}" if original is not None else ""
        return (
            f"is a copy of our study {self.mark['name']!r} that another program made (Optuna's tools copy and rename "
            f"like that), without what only we keep; make it a study of ours with `stability-sweep db adopt "
            f"{self.name}`{instead}"
        )


def find_study_row(session: Session, name: str) -> FoundStudy | None:
    """The study that Optuna has under a name, ours or not; None if there is none."""
    row = session.execute(_select_studies().where(studies.c.study_name == name)).first()
    return None if row is None else _found(row)


def our_study_names(session: Session) -> list[str]:
    """Our studies as Optuna calls them, oldest first."""
    found = [_found(row) for row in session.execute(_select_studies().order_by(studies.c.study_id))]
    return [study.name for study in found if study.definition is not None]


def copied_studies(session: Session) -> list[FoundStudy]:
    """Studies that bear a mark of ours and are none."""
    found = [_found(row) for row in session.execute(_select_studies().order_by(studies.c.study_id))]
    return [study for study in found if study.definition is None and study.mark is not None]


def unfinished_studies(session: Session) -> list[int]:
    """Ids of studies whose creator was killed, or has lost the right to make one."""
    return list(session.scalars(select(studies.c.study_id).where(studies.c.study_name.startswith(UNFINISHED))))


def stored_study(name: str, row: DefinitionRow) -> StoredStudy:
    """The study of a row.

    Raises:
        DefinitionError: if another version of the program wrote its definition.
    """
    return StoredStudy(
        study_id=row.study_id,
        study_uuid=row.study_uuid,
        name=name,
        definition=StudyDefinition.from_json(row.definition),
        dataset=row.dataset,
        budget_trials=row.budget_trials,
    )


def definition_values(definition: StudyDefinition, dataset: str) -> dict[str, Any]:
    """The columns of a new study's row, but for its number; it gets an identity here."""
    return {
        "study_uuid": str(uuid.uuid4()),
        "study_name": definition.name,
        "fingerprint": definition.fingerprint,
        "definition": definition.to_json(),
        "dataset": dataset,
        "budget_trials": definition.budget.trials,
        "program_version": __version__,
    }


def study_mark(study: StoredStudy) -> dict[str, Any]:
    """What is noted in Optuna's data about a study of ours: enough to make one of a copy."""
    return {
        "study": study.study_uuid,
        "name": study.name,
        "dataset": study.dataset,
        "definition": study.definition.to_json(),
    }


def _select_studies() -> Select[Any]:
    is_mark = (study_user_attributes.c.study_id == studies.c.study_id) & (
        study_user_attributes.c.key == STUDY_ATTRIBUTE
    )
    return (
        select(studies.c.study_id, studies.c.study_name, DefinitionRow, study_user_attributes.c.value_json)
        .select_from(studies)
        .outerjoin(DefinitionRow, DefinitionRow.study_id == studies.c.study_id)
        .outerjoin(study_user_attributes, is_mark)
    )


def _found(row: Any) -> FoundStudy:
    study_id, name, definition, text = row
    mark = _read_mark(text)
    if definition is not None:
        # An older version set no mark, and a deleted study may have left its row to the next one of its number.
        is_ours = definition.study_name == name if mark is None else definition.study_uuid == mark["study"]
        definition = definition if is_ours else None
    return FoundStudy(name=str(name), study_id=study_id, definition=definition, mark=mark)


def _read_mark(text: str | None) -> dict[str, Any] | None:
    """The mark, or None for anything else that stands in its place."""
    try:
        mark = json.loads(text or "null")
    except (ValueError, RecursionError):
        return None
    keys = ("study", "name", "dataset", "definition")
    return mark if isinstance(mark, dict) and all(isinstance(mark.get(key), str) for key in keys) else None


def _present_name(session: Session, row: DefinitionRow) -> str:
    name = session.scalar(select(studies.c.study_name).where(studies.c.study_id == row.study_id))
    return str(name or row.study_name)
