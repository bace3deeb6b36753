"""The studies of a database: found, made, given another definition or budget, and counted."""

from __future__ import annotations

import uuid

from optuna.study import StudyDirection
from sqlalchemy import String, cast, delete, func, select, update

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.errors import StudyError
from stability_sweep.results.outcome import Outcome
from stability_sweep.storage.adoption import adopt
from stability_sweep.storage.database import CREATION, Database
from stability_sweep.storage.marks import (
    STUDY_ATTRIBUTE,
    UNFINISHED,
    copied_studies,
    definition_values,
    find_study_row,
    our_study_names,
    stored_study,
    study_mark,
    unfinished_studies,
)
from stability_sweep.storage.optuna_tables import studies, study_user_attributes, trials
from stability_sweep.storage.records import StoredStudy, StudySummary
from stability_sweep.storage.schema import DefinitionRow, ResultRow
from stability_sweep.storage.trial_holds import budget_lock_holder, budget_lock_name
from stability_sweep.storage.workers import Workers


class Studies:
    """One half of a `Repository`."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def find_study(self, name: str) -> StoredStudy | None:
        """The study of that name, or None.

        Raises:
            StudyError: if Optuna has a study of that name which is none of ours, or a copy of one of ours.
        """
        with self.database.session() as session:
            found = find_study_row(session, name)
            if found is None:
                return None
            if found.definition is None:
                raise StudyError(f"study {name!r} in {self.database} {found.why_not_ours(session)}")
            return stored_study(name, found.definition)

    def get_study(self, name: str) -> StoredStudy:
        """The study of that name.

        Raises:
            StudyError: if there is none; the message lists those that exist.
        """
        study = self.find_study(name)
        if study is None:
            known = ", ".join(self.study_names()) or "none"
            raise StudyError(f"there is no study {name!r} in {self.database}; studies there: {known}")
        return study

    def study_names(self) -> list[str]:
        """Our studies, as Optuna calls them, oldest first."""
        with self.database.session() as session:
            return our_study_names(session)

    def create_study(self, definition: StudyDefinition, dataset: str) -> StoredStudy:
        """Create the study in Optuna and ours, or return the one that another process created first.

        It gets its name in the transaction that makes it ours, so that a process that is killed takes no name.
        """
        with self.database.lock(CREATION) as lock:
            existing = self.find_study(definition.name)
            if existing is not None:
                return existing
            self.database.tidy()
            storage = self.database.optuna_storage
            with self.database.session() as session:
                left_over = unfinished_studies(session)
            with self.database.errors():
                for study_id in left_over:
                    storage.delete_study(study_id)
                study_id = storage.create_new_study([StudyDirection.MINIMIZE], f"{UNFINISHED}{uuid.uuid4()}")
            with self.database.session() as session:
                lock.renew(session)
                session.execute(
                    update(studies).where(studies.c.study_id == study_id).values(study_name=definition.name)
                )
                session.add(DefinitionRow(study_id=study_id, **definition_values(definition, dataset)))
            study = self.get_study(definition.name)
            self.mark_in_optuna(study)
        return study

    def mark_in_optuna(self, study: StoredStudy) -> None:
        """Note in Optuna's own data whose study it is, so that a copy by another program is known for one."""
        with self.database.errors():
            self.database.optuna_storage.set_study_user_attr(study.study_id, STUDY_ATTRIBUTE, study_mark(study))

    def replace_definition(self, study: StoredStudy, definition: StudyDefinition, dataset: str) -> StoredStudy | None:
        """Give an empty study, no trial of which was begun, another definition; None if it is not empty.

        It is another study from then on: workers that know the old one end.
        """
        with self.database.lock(CREATION), self.database.lock(budget_lock_name(study)):
            values = definition_values(definition, dataset)
            has_trials = select(trials.c.trial_id).where(trials.c.study_id == study.study_id).exists()
            with self.database.session() as session:
                changed = session.execute(
                    update(DefinitionRow)
                    .where(DefinitionRow.study_id == study.study_id, ~has_trials)
                    .where(DefinitionRow.study_uuid == study.study_uuid)
                    .values(**values)
                )
                if not changed.rowcount:  # type: ignore[attr-defined]
                    return None
                session.execute(  # it marks the old study; a killed process must not leave it beside the new row
                    delete(study_user_attributes).where(
                        study_user_attributes.c.study_id == study.study_id,
                        study_user_attributes.c.key == STUDY_ATTRIBUTE,
                    )
                )
        replaced = self.get_study(study.name)
        self.mark_in_optuna(replaced)
        return replaced

    def revise(self, study: StoredStudy, definition: StudyDefinition) -> StoredStudy:
        """Store what may change about an existing study: its description, baseline, claims, precision and time-out.

        Args:
            study: the study.
            definition: the same study (it has the same fingerprint) as it is written now.
        """
        return self._change(study, definition=definition.to_json())

    def set_budget(self, study: StoredStudy, trials: int) -> StoredStudy:
        """Let the study have `trials` trials in all; trials that exist are never taken away."""
        return self._change(study, budget_trials=trials)

    def _change(self, study: StoredStudy, **values: object) -> StoredStudy:
        with self.database.session() as session:
            session.execute(
                update(DefinitionRow)
                .where(DefinitionRow.study_id == study.study_id, DefinitionRow.study_uuid == study.study_uuid)
                .values(**values)
            )
        return self.get_study(study.name)

    def foreign_copies(self) -> dict[str, str]:
        """Copies of our studies that another program made, by name, with what is to be said about each."""
        with self.database.session() as session:
            return {
                found.name: f"study {found.name!r} {found.why_not_ours(session)}" for found in copied_studies(session)
            }

    def adopt(self, name: str) -> StoredStudy:
        """Make a study of ours out of a copy of one that another program made (`adoption`).

        Raises:
            StudyError: if it is none.
        """
        return adopt(self.database, name)

    def summary(self, study: StoredStudy) -> StudySummary:
        """How far the study is. Trials are counted by one statement, so that each is counted once."""
        state = cast(trials.c.state, String(20))
        has_result = (ResultRow.trial_id == trials.c.trial_id) & (ResultRow.study_id == trials.c.study_id)
        what = func.coalesce(ResultRow.outcome, state)
        with self.database.session() as session:
            rows = session.execute(
                select(what, func.count())
                .select_from(trials.outerjoin(ResultRow, has_result))
                .where(trials.c.study_id == study.study_id)
                .group_by(what)
            ).all()
        counts = {str(name): int(count) for name, count in rows}
        return StudySummary(
            study=study.name,
            budget=study.budget_trials,
            outcomes={outcome.value: counts.get(outcome.value, 0) for outcome in Outcome},
            running=counts.get("RUNNING", 0),
            waiting=counts.get("WAITING", 0),
            workers=Workers(self.database, study).present(),
            lock=budget_lock_holder(self.database, study),
        )
