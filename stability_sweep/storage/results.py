"""What the trials of a database have left: results, telemetry, autopsies; stored once, read one by one or in bulk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from stability_sweep.errors import StorageError, StudyError, TelemetryError
from stability_sweep.results.autopsy import Autopsy
from stability_sweep.results.outcome import TrialResult
from stability_sweep.results.telemetry import Telemetry
from stability_sweep.space.dimensions import Point
from stability_sweep.storage.bulk import Columns, even_choice, read_columns, read_contents, read_trial_ids
from stability_sweep.storage.database import Database
from stability_sweep.storage.identity import is_stored
from stability_sweep.storage.optuna_tables import trials
from stability_sweep.storage.optuna_trials import trial_id_of
from stability_sweep.storage.records import (
    Provenance,
    StoredResult,
    StoredStudy,
    StoredTrial,
    TrialIdentity,
    result_row,
    stored_result,
)
from stability_sweep.storage.schema import AutopsyRow, HoldRow, ResultRow, TelemetryRow, WorkerRow

OnDamaged = Callable[[int, TelemetryError], None]
"""Takes the trial whose telemetry or autopsy cannot be read, named as its results are, and why."""

Content = TypeVar("Content")
Trial = TypeVar("Trial")
"""What a trial is known by."""


class Results:
    """One half of a `Repository`."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # -- storing -----------------------------------------------------------------------------------------------------

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
        """Store a trial's result, before the trial ends in Optuna: whoever finds it later can end it the same way.

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

    # -- one trial ---------------------------------------------------------------------------------------------------

    def trial(self, study: StoredStudy, number: int) -> StoredTrial:
        """A trial by its number, finished or not.

        Raises:
            StudyError: if the study has no such trial.
        """
        storage = self.database.optuna_storage
        with self.database.errors():
            try:
                trial = storage.get_trial(storage.get_trial_id_from_study_id_trial_number(study.study_id, number))
            except KeyError:
                count = storage.get_n_trials(study.study_id)
                known = f"0 to {count - 1}" if count else "none yet"
                raise StudyError(f"study {study.name!r} has no trial {number}; its trials: {known}") from None
        trial_id = trial_id_of(trial)
        with self.database.session() as session:
            row = session.get(ResultRow, trial_id)
            result = None if row is None or row.study_id != study.study_id else stored_result(row)
            worker = session.execute(
                select(WorkerRow.host, WorkerRow.process_id)
                .join(HoldRow, HoldRow.worker_id == WorkerRow.worker_id)
                .where(HoldRow.trial_id == trial_id)
            ).first()
        return StoredTrial(
            trial_id=trial_id,
            number=number,
            state=trial.state.name.lower(),
            point=study.definition.space.point_of(trial.params) if trial.params else {},
            worker=None if worker is None else f"{worker.host}:{worker.process_id}",
            stored=result,
        )

    def point(self, study: StoredStudy, trial_id: int) -> Point:
        """The point of a trial that has one, by Optuna's id."""
        with self.database.errors():
            params = self.database.optuna_storage.get_trial(trial_id).params
        return study.definition.space.point_of(params)

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

    # -- many trials -------------------------------------------------------------------------------------------------

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

    def trial_ids(self, study: StoredStudy, numbers: Iterable[int]) -> dict[int, int]:
        """Optuna's ids of the study's trials by their numbers; numbers that it does not have are left out."""
        return read_trial_ids(self.database, study.study_id, numbers)

    def telemetries(
        self, study: StoredStudy, *, most_per_outcome: int | None = None, on_damaged: OnDamaged | None = None
    ) -> Iterator[tuple[StoredResult, Telemetry]]:
        """Finished trials that have telemetry, in the order of the numbers.

        Args:
            study: the study.
            most_per_outcome: read at most so many stable and so many diverged trials, spread evenly over their
                numbers, and no others; at least 1. None reads every trial of every outcome.
            on_damaged: called with each trial whose telemetry cannot be read, which is then left out.

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

        def tell(stored: StoredResult, error: TelemetryError) -> None:
            if on_damaged is None:
                raise TelemetryError(f"trial {stored.number}: {error}") from error
            on_damaged(stored.number, error)

        yield from _readable(found, Telemetry.from_bytes, tell)

    def telemetries_of(
        self, trial_ids: Iterable[int], *, on_damaged: OnDamaged | None = None
    ) -> Iterator[tuple[int, Telemetry]]:
        """The telemetry of these trials, with their ids and in their order; those without any are left out.

        Raises:
            TelemetryError: if a newer version of the program wrote one of them or one is damaged, unless there is an
                `on_damaged`, which is called then; that trial is left out.
        """
        return _readable(read_contents(self.database, TelemetryRow, trial_ids), Telemetry.from_bytes, on_damaged)

    def autopsies_of(
        self, trial_ids: Iterable[int], *, on_damaged: OnDamaged | None = None
    ) -> Iterator[tuple[int, Autopsy]]:
        """The autopsies of these trials, with their ids and in their order; those without any are left out.

        Raises:
            TelemetryError: if a newer version of the program wrote one of them or one is damaged, unless there is an
                `on_damaged`, which is called then; that trial is left out.
        """
        return _readable(read_contents(self.database, AutopsyRow, trial_ids), Autopsy.from_bytes, on_damaged)


def _readable(
    contents: Iterable[tuple[Trial, bytes]],
    read: Callable[[bytes], Content],
    on_damaged: Callable[[Trial, TelemetryError], None] | None,
) -> Iterator[tuple[Trial, Content]]:
    """Stored forms as what they hold; a damaged one is left out if somebody wants to hear of it, and raises if not."""
    for trial, content in contents:
        try:
            found = read(content)
        except TelemetryError as error:
            if on_damaged is None:
                raise
            on_damaged(trial, error)
            continue
        yield trial, found
