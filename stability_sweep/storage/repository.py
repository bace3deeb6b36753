"""The only place that speaks SQL about studies and results."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence

from optuna.study import StudyDirection
from sqlalchemy import String, cast, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.errors import StorageError, StudyError, TelemetryError
from stability_sweep.results.autopsy import Autopsy
from stability_sweep.results.outcome import Outcome, TrialResult
from stability_sweep.results.telemetry import Telemetry
from stability_sweep.storage.adoption import adopt
from stability_sweep.storage.bulk import Columns, even_choice, read_columns, read_contents, read_trial_ids
from stability_sweep.storage.database import CREATION, Database
from stability_sweep.storage.fleet import Fleet
from stability_sweep.storage.identity import is_stored
from stability_sweep.storage.outages import storage_errors
from stability_sweep.storage.records import (
    Provenance,
    StoredResult,
    StoredStudy,
    StoredTrial,
    StudySummary,
    TrialIdentity,
    result_row,
    stored_result,
)
from stability_sweep.storage.schema import AutopsyRow, ClaimRow, DefinitionRow, ResultRow, TelemetryRow, WorkerRow
from stability_sweep.storage.studies import (
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
from stability_sweep.storage.tables import studies, study_user_attributes, trials

OnDamaged = Callable[[int, TelemetryError], None]
"""Takes the trial whose telemetry or autopsy cannot be read, named as its results are, and why."""


class Repository:
    """Studies and results in one database. Safe to use from several processes; not from several threads."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # -- studies -----------------------------------------------------------------------------------------------------

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
            with storage_errors(self.database.url):
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

    def replace_definition(self, study: StoredStudy, definition: StudyDefinition, dataset: str) -> StoredStudy | None:
        """Give an empty study, no trial of which was begun, another definition; None if it is not empty.

        It is another study from then on: workers that know the old one end.
        """
        with self.database.lock(CREATION), self.database.lock(f"budget-{study.study_id}"):
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

    def mark_in_optuna(self, study: StoredStudy) -> None:
        """Note in Optuna's own data whose study it is, so that a copy by another program can be told for what it is."""
        with storage_errors(self.database.url):
            self.database.optuna_storage.set_study_user_attr(study.study_id, STUDY_ATTRIBUTE, study_mark(study))

    def study_names(self) -> list[str]:
        """Our studies, as Optuna calls them, oldest first."""
        with self.database.session() as session:
            return our_study_names(session)

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

    def revise(self, study: StoredStudy, definition: StudyDefinition) -> StoredStudy:
        """Store what may change about an existing study: its description, claims, precision and time-out.

        Args:
            study: the study.
            definition: the same study (it has the same fingerprint) as it is written now.
        """
        with self.database.session() as session:
            session.execute(
                update(DefinitionRow)
                .where(DefinitionRow.study_id == study.study_id, DefinitionRow.study_uuid == study.study_uuid)
                .values(definition=definition.to_json())
            )
        return self.get_study(study.name)

    # -- budget ------------------------------------------------------------------------------------------------------

    def set_budget(self, study: StoredStudy, trials: int) -> StoredStudy:
        """Let the study have `trials` trials in all; trials that exist are never taken away."""
        with self.database.session() as session:
            session.execute(
                update(DefinitionRow)
                .where(DefinitionRow.study_id == study.study_id, DefinitionRow.study_uuid == study.study_uuid)
                .values(budget_trials=trials)
            )
        return self.get_study(study.name)

    # -- results -----------------------------------------------------------------------------------------------------

    def save_result(
        self,
        study: StoredStudy,
        trial_id: int,
        number: int,
        result: TrialResult,
        provenance: Provenance,
        *,
        telemetry: bytes | None = None,
        autopsy: bytes | None = None,
        identity: TrialIdentity | None = None,
    ) -> None:
        """Store a trial's result, before Optuna is told: whoever finds it later can tell Optuna the same.

        Telemetry and autopsy (their stored forms) go with it, in one transaction. A trial has one result: if it has
        one already (it was delivered twice, or a worker that was taken for dead finished it), nothing changes.

        Args:
            study: the trial's study.
            trial_id: Optuna's id of the trial.
            number: its number in the study.
            result: what came of it.
            provenance: where it was computed.
            telemetry: `Telemetry.to_bytes`.
            autopsy: `Autopsy.to_bytes`.
            identity: which trial it was measured for, to be compared with the one that is there.

        Raises:
            ForeignResultError: if the result does not belong to the trial that is there now; nothing is changed.
        """
        last = False
        while True:
            try:
                with self.database.session() as session:
                    if is_stored(session, study, trial_id, number, result, identity):
                        return
                    session.add(result_row(study.study_id, trial_id, number, result, provenance))
                    session.flush()
                    if telemetry is not None:
                        session.merge(TelemetryRow(trial_id=trial_id, content=telemetry))
                    if autopsy is not None:
                        session.merge(AutopsyRow(trial_id=trial_id, content=autopsy))
                return
            except StorageError as error:
                # Stored or deleted by another process in this very moment: the second look says which.
                if last or not isinstance(error.__cause__, IntegrityError):
                    raise
                last = True

    def save_telemetry(self, trial_id: int, telemetry: Telemetry) -> None:
        """Keep what an interrupted trial has measured; its next run replaces it."""
        if len(telemetry.steps):
            with self.database.session() as session:
                session.merge(TelemetryRow(trial_id=trial_id, content=telemetry.to_bytes()))

    def telemetry(self, trial_id: int) -> Telemetry | None:
        """The telemetry of a trial, or None if it has none.

        Raises:
            TelemetryError: if a newer version of the program wrote it, or it is damaged.
        """
        with self.database.session() as session:
            row = session.get(TelemetryRow, trial_id)
            return None if row is None else Telemetry.from_bytes(row.content)

    def autopsy(self, trial_id: int) -> Autopsy | None:
        """The autopsy of a trial, or None if it has none.

        Raises:
            TelemetryError: if a newer version of the program wrote it, or it is damaged.
        """
        with self.database.session() as session:
            row = session.get(AutopsyRow, trial_id)
            return None if row is None else Autopsy.from_bytes(row.content)

    def telemetries(
        self, study: StoredStudy, *, most_per_outcome: int | None = None, on_damaged: OnDamaged | None = None
    ) -> Iterator[tuple[StoredResult, Telemetry]]:
        """Finished trials that have telemetry, in the order of the numbers.

        Args:
            study: the study.
            most_per_outcome: read at most so many stable and so many diverged trials, spread evenly over their
                numbers, and no others; at least 1. None reads every trial of every outcome.
            on_damaged: told about each trial whose telemetry cannot be read, which is then left out.

        Raises:
            TelemetryError: if a newer version of the program wrote one of them or one is damaged, unless there is an
                `on_damaged`; it names the trial.
        """
        statement = (
            select(ResultRow, TelemetryRow.content)
            .join(trials, (trials.c.trial_id == ResultRow.trial_id) & (trials.c.study_id == ResultRow.study_id))
            .join(TelemetryRow, TelemetryRow.trial_id == ResultRow.trial_id)
            .where(trials.c.study_id == study.study_id)
            .order_by(ResultRow.number)
        )
        if most_per_outcome is not None:
            statement = statement.where(ResultRow.trial_id.in_(even_choice(study.study_id, most_per_outcome)))
        with self.database.session() as session:
            found = [(stored_result(row), content) for row, content in session.execute(statement)]
        for stored, content in found:
            try:
                telemetry = Telemetry.from_bytes(content)
            except TelemetryError as error:
                if on_damaged is None:
                    raise TelemetryError(f"trial {stored.number}: {error}") from error
                on_damaged(stored.number, error)
                continue
            yield stored, telemetry

    def telemetries_of(
        self, trial_ids: Iterable[int], *, on_damaged: OnDamaged | None = None
    ) -> Iterator[tuple[int, Telemetry]]:
        """The telemetry of these trials, with their ids and in their order; those without any are left out.

        Raises:
            TelemetryError: if a newer version of the program wrote one of them or one is damaged, unless there is an
                `on_damaged`, which is told then; that trial is left out.
        """
        for trial_id, content in read_contents(self.database, TelemetryRow, trial_ids):
            try:
                found = Telemetry.from_bytes(content)
            except TelemetryError as error:
                if on_damaged is None:
                    raise
                on_damaged(trial_id, error)
                continue
            yield trial_id, found

    def autopsies_of(
        self, trial_ids: Iterable[int], *, on_damaged: OnDamaged | None = None
    ) -> Iterator[tuple[int, Autopsy]]:
        """The autopsies of these trials, with their ids and in their order; those without any are left out.

        Raises:
            TelemetryError: if a newer version of the program wrote one of them or one is damaged, unless there is an
                `on_damaged`, which is told then; that trial is left out.
        """
        for trial_id, content in read_contents(self.database, AutopsyRow, trial_ids):
            try:
                found = Autopsy.from_bytes(content)
            except TelemetryError as error:
                if on_damaged is None:
                    raise
                on_damaged(trial_id, error)
                continue
            yield trial_id, found

    def trial_ids(self, study: StoredStudy, numbers: Iterable[int]) -> dict[int, int]:
        """Optuna's ids of the study's trials by their numbers; numbers that it does not have are left out."""
        return read_trial_ids(self.database, study.study_id, numbers)

    def trial_columns(self, study: StoredStudy, fields: Sequence[str]) -> Columns:
        """Plain columns of the finished trials, in the order of their numbers: a whole study by two statements.

        Args:
            study: the study.
            fields: names of results, as `ResultRow` calls them.

        Returns:
            ``number``, every dimension of the search space ("off" is infinity; None where the trial has no such
            parameter), then the fields (None: "never measured"; a loss that is NaN is NaN).
        """
        with self.database.session() as session:
            return read_columns(session, study.study_id, study.definition, fields)

    def trial(self, study: StoredStudy, number: int) -> StoredTrial:
        """A trial by its number, finished or not.

        Raises:
            StudyError: if the study has no such trial.
        """
        with storage_errors(self.database.url):
            storage = self.database.optuna_storage
            try:
                trial = storage.get_trial(storage.get_trial_id_from_study_id_trial_number(study.study_id, number))
            except KeyError:
                count = storage.get_n_trials(study.study_id)
                known = f"0 to {count - 1}" if count else "none yet"
                raise StudyError(f"study {study.name!r} has no trial {number}; its trials: {known}") from None
        with self.database.session() as session:
            row = session.get(ResultRow, trial._trial_id)
            result = None if row is None or row.study_id != study.study_id else stored_result(row)
            worker = session.execute(
                select(WorkerRow.host, WorkerRow.process_id)
                .join(ClaimRow, ClaimRow.worker_id == WorkerRow.worker_id)
                .where(ClaimRow.trial_id == trial._trial_id)
            ).first()
        return StoredTrial(
            trial_id=trial._trial_id,
            number=number,
            state=trial.state.name.lower(),
            point=study.definition.space.point_of(trial.params) if trial.params else {},
            worker=None if worker is None else f"{worker.host}:{worker.process_id}",
            stored=result,
        )

    def results(self, study: StoredStudy, *, after_number: int = -1) -> list[StoredResult]:
        """Results in the order of the trials' numbers."""
        with self.database.session() as session:
            rows = session.scalars(
                select(ResultRow)
                .join(trials, (trials.c.trial_id == ResultRow.trial_id) & (trials.c.study_id == ResultRow.study_id))
                .where(trials.c.study_id == study.study_id, ResultRow.number > after_number)
                .order_by(ResultRow.number)
            )
            return [stored_result(row) for row in rows]

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
        fleet = Fleet(self.database, study)
        return StudySummary(
            study=study.name,
            budget=study.budget_trials,
            outcomes={outcome.value: counts.get(outcome.value, 0) for outcome in Outcome},
            running=counts.get("RUNNING", 0),
            waiting=counts.get("WAITING", 0),
            workers=fleet.workers(),
            lock=fleet.lock_holder(),
        )
