"""The only place that speaks SQL about studies and results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from optuna.study import StudyDirection
from sqlalchemy import String, case, cast, delete, func, literal, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from stability_sweep import __version__
from stability_sweep.autopsy import Autopsy
from stability_sweep.definition import StudyDefinition
from stability_sweep.errors import StorageError, StudyError
from stability_sweep.outcome import Outcome, TrialResult
from stability_sweep.sampling.points import point_of
from stability_sweep.storage.bulk import Columns, even_choice, read_columns, read_contents, read_trial_ids
from stability_sweep.storage.database import CREATION, Database, storage_errors
from stability_sweep.storage.fleet import Fleet
from stability_sweep.storage.records import (
    Provenance,
    StoredResult,
    StoredStudy,
    StoredTrial,
    StudySummary,
    result_row,
    stored_result,
)
from stability_sweep.storage.schema import (
    AutopsyRow,
    ClaimRow,
    DefinitionRow,
    ResultRow,
    TelemetryRow,
    WorkerRow,
)
from stability_sweep.storage.tables import studies, trials
from stability_sweep.telemetry import Telemetry


class Repository:
    """Studies and results in one database. Safe to use from several processes; not from several threads."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # -- studies -----------------------------------------------------------------------------------------------------

    def find_study(self, name: str) -> StoredStudy | None:
        """The study of that name, or None.

        Raises:
            StudyError: if Optuna has a study of that name which is none of ours.
        """
        with self.database.session() as session:
            row = session.execute(
                select(studies.c.study_id, DefinitionRow)
                .outerjoin(
                    DefinitionRow,
                    (DefinitionRow.study_id == studies.c.study_id) & (DefinitionRow.study_name == name),
                )
                .where(studies.c.study_name == name)
            ).first()
            if row is None:
                return None
            stored: DefinitionRow | None = row[1]
            if stored is None:
                raise StudyError(
                    f"study {name!r} in {self.database} was not made by stability-sweep; choose another name"
                )
            return StoredStudy(
                study_id=stored.study_id,
                definition=StudyDefinition.from_json(stored.definition),
                dataset=stored.dataset,
                budget_trials=stored.budget_trials,
            )

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
        """Create the study in Optuna and ours, or return the one that another process created first."""
        with self.database.lock(CREATION):
            existing = self.find_study(definition.name)
            if existing is not None:
                return existing
            with self.database.session() as session:
                self._delete_orphans(session)
            with storage_errors(self.database.url):
                study_id = self.database.optuna_storage.create_new_study([StudyDirection.MINIMIZE], definition.name)
            with self.database.session() as session:
                session.add(
                    DefinitionRow(
                        study_id=study_id,
                        study_name=definition.name,
                        fingerprint=definition.fingerprint,
                        definition=definition.to_json(),
                        dataset=dataset,
                        budget_trials=definition.budget.trials,
                        program_version=__version__,
                    )
                )
        return self.get_study(definition.name)

    @staticmethod
    def _delete_orphans(session: Session) -> None:
        """Forget what belongs to studies that Optuna has deleted: SQLite gives their ids away again."""
        named = (
            select(literal(1))
            .where(
                studies.c.study_id == DefinitionRow.study_id,
                studies.c.study_name == DefinitionRow.study_name,
            )
            .exists()
        )
        session.execute(delete(DefinitionRow).where(~named))
        session.execute(delete(WorkerRow).where(WorkerRow.study_id.not_in(select(studies.c.study_id))))
        for table_of_trials in (ResultRow, TelemetryRow, AutopsyRow, ClaimRow):
            session.execute(delete(table_of_trials).where(table_of_trials.trial_id.not_in(select(trials.c.trial_id))))

    def study_names(self) -> list[str]:
        """Our studies, oldest first."""
        with self.database.session() as session:
            return list(
                session.scalars(
                    select(DefinitionRow.study_name)
                    .join(studies, studies.c.study_id == DefinitionRow.study_id)
                    .where(studies.c.study_name == DefinitionRow.study_name)
                    .order_by(DefinitionRow.study_id)
                )
            )

    def revise(self, study: StoredStudy, definition: StudyDefinition) -> StoredStudy:
        """Store what may change about an existing study: its description, claims, precision and time-out.

        Args:
            study: the study.
            definition: the same study (it has the same fingerprint) as it is written now.
        """
        with self.database.session() as session:
            session.execute(
                update(DefinitionRow)
                .where(DefinitionRow.study_id == study.study_id)
                .values(definition=definition.to_json())
            )
        return self.get_study(study.name)

    # -- budget ------------------------------------------------------------------------------------------------------

    def set_budget(self, study: StoredStudy, trials: int) -> StoredStudy:
        """Let the study have `trials` trials in all; trials that exist are never taken away."""
        with self.database.session() as session:
            session.execute(
                update(DefinitionRow).where(DefinitionRow.study_id == study.study_id).values(budget_trials=trials)
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
    ) -> None:
        """Store a trial's result, before Optuna is told: whoever finds it later can tell Optuna the same.

        Telemetry and autopsy (their stored forms) go with it, in one transaction. A trial has one result: if it has
        one already (it was delivered twice, or a worker that was taken for dead finished it), nothing changes.
        """
        try:
            with self.database.session() as session:
                session.add(result_row(study.study_id, trial_id, number, result, provenance))
                session.flush()
                if telemetry is not None:
                    session.merge(TelemetryRow(trial_id=trial_id, content=telemetry))
                if autopsy is not None:
                    session.merge(AutopsyRow(trial_id=trial_id, content=autopsy))
        except StorageError as error:
            if not isinstance(error.__cause__, IntegrityError):
                raise

    def save_telemetry(self, trial_id: int, telemetry: Telemetry) -> None:
        """Keep what an interrupted trial has measured; its next run replaces it."""
        if len(telemetry.steps):
            with self.database.session() as session:
                session.merge(TelemetryRow(trial_id=trial_id, content=telemetry.to_bytes()))

    def telemetry(self, trial_id: int) -> Telemetry | None:
        """The telemetry of a trial, or None if it has none.

        Raises:
            TelemetryError: if a newer version of the program wrote it.
        """
        with self.database.session() as session:
            row = session.get(TelemetryRow, trial_id)
            return None if row is None else Telemetry.from_bytes(row.content)

    def autopsy(self, trial_id: int) -> Autopsy | None:
        """The autopsy of a trial, or None if it has none.

        Raises:
            TelemetryError: if a newer version of the program wrote it.
        """
        with self.database.session() as session:
            row = session.get(AutopsyRow, trial_id)
            return None if row is None else Autopsy.from_bytes(row.content)

    def telemetries(
        self, study: StoredStudy, *, most_per_outcome: int | None = None
    ) -> Iterator[tuple[StoredResult, Telemetry]]:
        """Finished trials that have telemetry, in the order of the numbers.

        Args:
            study: the study.
            most_per_outcome: read at most so many stable and so many diverged trials, spread evenly over their
                numbers, and no others; at least 1. None reads every trial of every outcome.

        Raises:
            TelemetryError: if a newer version of the program wrote one of them.
        """
        statement = (
            select(ResultRow, TelemetryRow.content)
            .join(trials, trials.c.trial_id == ResultRow.trial_id)
            .join(TelemetryRow, TelemetryRow.trial_id == ResultRow.trial_id)
            .where(trials.c.study_id == study.study_id)
            .order_by(ResultRow.number)
        )
        if most_per_outcome is not None:
            statement = statement.where(ResultRow.trial_id.in_(even_choice(study.study_id, most_per_outcome)))
        with self.database.session() as session:
            found = [(stored_result(row), content) for row, content in session.execute(statement)]
        for stored, content in found:
            yield stored, Telemetry.from_bytes(content)

    def telemetries_of(self, trial_ids: Iterable[int]) -> Iterator[tuple[int, Telemetry]]:
        """The telemetry of these trials, with their ids and in their order; those without any are left out.

        Raises:
            TelemetryError: if a newer version of the program wrote one of them.
        """
        for trial_id, content in read_contents(self.database, TelemetryRow, trial_ids):
            yield trial_id, Telemetry.from_bytes(content)

    def autopsies_of(self, trial_ids: Iterable[int]) -> Iterator[tuple[int, Autopsy]]:
        """The autopsies of these trials, with their ids and in their order; those without any are left out.

        Raises:
            TelemetryError: if a newer version of the program wrote one of them.
        """
        for trial_id, content in read_contents(self.database, AutopsyRow, trial_ids):
            yield trial_id, Autopsy.from_bytes(content)

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
            result = None if row is None else stored_result(row)
            worker = session.execute(
                select(WorkerRow.host, WorkerRow.process_id)
                .join(ClaimRow, ClaimRow.worker_id == WorkerRow.worker_id)
                .where(ClaimRow.trial_id == trial._trial_id)
            ).first()
        return StoredTrial(
            trial_id=trial._trial_id,
            number=number,
            state=trial.state.name.lower(),
            point=point_of(trial.params, study.definition) if trial.params else {},
            worker=None if worker is None else f"{worker.host}:{worker.process_id}",
            stored=result,
        )

    def results(self, study: StoredStudy, *, after_number: int = -1) -> list[StoredResult]:
        """Results in the order of the trials' numbers."""
        with self.database.session() as session:
            rows = session.scalars(
                select(ResultRow)
                .join(trials, trials.c.trial_id == ResultRow.trial_id)
                .where(trials.c.study_id == study.study_id, ResultRow.number > after_number)
                .order_by(ResultRow.number)
            )
            return [stored_result(row) for row in rows]

    def summary(self, study: StoredStudy) -> StudySummary:
        """How far the study is."""
        state = cast(trials.c.state, String(20))
        with self.database.session() as session:
            states = session.execute(
                select(
                    func.coalesce(func.sum(case((state == "RUNNING", 1), else_=0)), 0),
                    func.coalesce(func.sum(case((state == "WAITING", 1), else_=0)), 0),
                ).where(trials.c.study_id == study.study_id)
            ).one()
            counts = session.execute(
                select(ResultRow.outcome, func.count())
                .join(trials, trials.c.trial_id == ResultRow.trial_id)
                .where(trials.c.study_id == study.study_id)
                .group_by(ResultRow.outcome)
            ).all()
        by_outcome = {outcome: int(count) for outcome, count in counts}
        return StudySummary(
            study=study.name,
            budget=study.budget_trials,
            outcomes={outcome.value: by_outcome.get(outcome.value, 0) for outcome in Outcome},
            running=int(states[0]),
            waiting=int(states[1]),
            workers=Fleet(self.database, study).workers(),
        )
