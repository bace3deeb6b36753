"""Which worker holds which trial, and how many more the budget allows.

A trial belongs to the worker that holds it; those of a dead one are anybody's. A hold is taken by one statement that
only one worker can win, so nobody waits for it. A new trial is made under the budget's lock, and held at once.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import String, case, cast, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from stability_sweep.errors import StorageError, StudyError
from stability_sweep.storage.clock import database_seconds
from stability_sweep.storage.database import Database
from stability_sweep.storage.locks import Lease
from stability_sweep.storage.optuna_tables import trials
from stability_sweep.storage.records import StoredStudy
from stability_sweep.storage.schema import (
    AutopsyRow,
    DefinitionRow,
    HoldRow,
    LockRow,
    ResultRow,
    TelemetryRow,
    WorkerRow,
)

_state = cast(trials.c.state, String(20))


@dataclass(frozen=True)
class OpenTrial:
    """A trial without an outcome."""

    trial_id: int
    waits: bool
    """In the queue; otherwise it is marked as running."""
    worker_id: str | None
    """Who holds it. None: it was given back, another program made it, or its creator is just about to hold it, or died
    before that."""
    worker: str
    """Host and process of that worker, for messages."""
    attempts: int
    is_left: bool
    """Whether the worker that holds it said goodbye, or is unknown."""
    is_overdue: bool
    """Whether that worker was not seen for longer than its grace."""


class Hold(NamedTuple):
    """A worker's grip on a trial."""

    trial_uuid: str
    """Which trial it is."""
    attempt: int
    """The how manieth time it is begun."""


class TrialHolds:
    """The holds on the trials of one study. Safe to use from several threads and processes."""

    def __init__(self, database: Database, study: StoredStudy) -> None:
        self._database = database
        self._study = study
        self._study_id = study.study_id

    def open_trials(self) -> list[OpenTrial]:
        """Every trial that runs or waits, with its hold, in the order of creation."""
        overdue = database_seconds() - WorkerRow.last_seen > WorkerRow.grace_seconds
        with self._database.session() as session:
            rows = session.execute(
                select(
                    trials.c.trial_id,
                    _state,
                    HoldRow.worker_id,
                    HoldRow.attempts,
                    WorkerRow.host,
                    WorkerRow.process_id,
                    case((WorkerRow.ended_at.is_not(None) | WorkerRow.worker_id.is_(None), 1), else_=0),
                    case((overdue, 1), else_=0),
                )
                .outerjoin(HoldRow, HoldRow.trial_id == trials.c.trial_id)
                .outerjoin(WorkerRow, WorkerRow.worker_id == HoldRow.worker_id)
                .where(trials.c.study_id == self._study_id, _state.in_(("RUNNING", "WAITING")))
                .order_by(trials.c.trial_id)
            ).all()
            return [
                OpenTrial(
                    trial_id=trial_id,
                    waits=state == "WAITING",
                    worker_id=worker_id,
                    worker=f"{host}:{process_id}",
                    attempts=attempts or 0,
                    is_left=bool(left),
                    is_overdue=bool(late),
                )
                for trial_id, state, worker_id, attempts, host, process_id, left, late in rows
            ]

    def hold(self, trial_id: int, worker_id: str) -> Hold | None:
        """Take hold of a trial that nobody holds, or that this worker holds already; None if another one does."""
        return self._holding(worker_id, lambda session: self._hold(session, trial_id, worker_id, holder=None))

    def hold_new(self, trial_id: int, worker_id: str, lease: Lease) -> Hold | None:
        """Take hold of a trial that was just created under a lock.

        Raises:
            LockLostError: if the lock is no longer held: others may have created one as well.
        """

        def take(session: Session) -> Hold | None:
            lease.renew(session)
            for table in (ResultRow, TelemetryRow, AutopsyRow, HoldRow):  # of a deleted trial of that number
                session.execute(delete(table).where(table.trial_id == trial_id))
            return self._hold(session, trial_id, worker_id, holder=None)

        return self._holding(worker_id, take)

    def take_over(self, lost: OpenTrial, worker_id: str) -> Hold | None:
        """Take hold of a lost trial; None if another worker was quicker."""
        return self._holding(
            worker_id, lambda session: self._hold(session, lost.trial_id, worker_id, holder=lost.worker_id)
        )

    def holds(self, trial_id: int, worker_id: str) -> bool:
        """Whether the worker (still) holds the trial."""
        with self._database.session() as session:
            return session.scalar(select(HoldRow.worker_id).where(HoldRow.trial_id == trial_id)) == worker_id

    def has_trial(self, trial_id: int) -> bool:
        """Whether the study has a trial of that id."""
        with self._database.session() as session:
            where = (trials.c.trial_id == trial_id) & (trials.c.study_id == self._study_id)
            return session.scalar(select(trials.c.trial_id).where(where)) is not None

    def release(self, trial_id: int, worker_id: str) -> bool:
        """Give a trial back: it does not count as an attempt. False if the worker did not hold it any more."""
        with self._database.session() as session:
            changed = session.execute(
                update(HoldRow)
                .where(HoldRow.trial_id == trial_id, HoldRow.worker_id == worker_id)
                .values(worker_id=None, attempts=HoldRow.attempts - 1)
            )
            return bool(changed.rowcount)  # type: ignore[attr-defined]

    def _holding(self, worker_id: str, take: Callable[[Session], Hold | None]) -> Hold | None:
        try:
            with self._database.session() as session:
                hold = take(session)
                if hold is not None:  # a sign of life too: what was just taken must not look like a dead worker's
                    session.execute(
                        update(WorkerRow).where(WorkerRow.worker_id == worker_id).values(last_seen=database_seconds())
                    )
                return hold
        except StorageError as error:
            if isinstance(error.__cause__, IntegrityError):  # another worker was quicker, or the trial was deleted
                return None
            raise

    @staticmethod
    def _hold(session: Session, trial_id: int, worker_id: str, *, holder: str | None) -> Hold | None:
        """Take a trial from its holder (None: from nobody)."""
        row = session.get(HoldRow, trial_id)
        if row is None:
            if holder is not None:
                return None
            row = HoldRow(trial_id=trial_id, trial_uuid=str(uuid.uuid4()), worker_id=worker_id, attempts=1)
            session.add(row)
            session.flush()
            return Hold(row.trial_uuid, row.attempts)
        if row.worker_id == worker_id:
            return Hold(row.trial_uuid, row.attempts)
        hold = Hold(row.trial_uuid or str(uuid.uuid4()), row.attempts + 1)
        changed = session.execute(
            update(HoldRow)
            .where(HoldRow.trial_id == trial_id, HoldRow.attempts == row.attempts)
            .where(HoldRow.worker_id.is_(None) if holder is None else HoldRow.worker_id == holder)
            .values(worker_id=worker_id, trial_uuid=hold.trial_uuid, attempts=hold.attempt)
        )
        return hold if changed.rowcount else None  # type: ignore[attr-defined]

    # -- budget ------------------------------------------------------------------------------------------------------

    @contextmanager
    def budget_lock(self, lease_seconds: float) -> Iterator[Lease]:
        """Held while a trial is created, so that never more trials exist than the budget allows.

        Args:
            lease_seconds: the others wait so long for a holder that was killed or is frozen.
        """
        with self._database.lock(budget_lock_name(self._study), seconds=lease_seconds) as lease:
            yield lease

    def next_number(self) -> int | None:
        """Number of the trial that the budget allows next; None if it is used up.

        Trials with an outcome, that run or that wait take it up; those that another program ended do not.

        Raises:
            StudyError: if the study is no longer there, or has another definition by now.
        """
        has_result = (ResultRow.trial_id == trials.c.trial_id) & (ResultRow.study_id == trials.c.study_id)
        used = (
            select(func.count())
            .select_from(trials.outerjoin(ResultRow, has_result))
            .where(trials.c.study_id == self._study_id)
            .where(ResultRow.trial_id.is_not(None) | _state.in_(("RUNNING", "WAITING")))
            .scalar_subquery()
        )
        every = select(func.count()).select_from(trials).where(trials.c.study_id == self._study_id).scalar_subquery()
        with self._database.session() as session:
            row = session.execute(
                select(case((used < DefinitionRow.budget_trials, every))).where(
                    DefinitionRow.study_id == self._study_id,
                    DefinitionRow.study_uuid == self._study.study_uuid,
                )
            ).first()
        if row is None:
            raise StudyError(
                f"study {self._study.name!r} is no longer in {self._database} as this worker knows it: it was deleted, "
                f"or given another definition before its first trial; start the worker again"
            )
        return None if row[0] is None else int(row[0])


def budget_lock_name(study: StoredStudy) -> str:
    """Name of the lock under which a study's trials are created."""
    return f"budget-{study.study_id}"


def budget_lock_holder(database: Database, study: StoredStudy) -> tuple[str, float] | None:
    """Who holds the budget's lock, and for how many seconds by now; None if nobody does."""
    now = database_seconds()
    with database.session() as session:
        row = session.execute(
            select(LockRow.holder, now - LockRow.taken_at).where(
                LockRow.name == budget_lock_name(study), LockRow.expires_at >= now
            )
        ).first()
    return None if row is None else (str(row[0]), max(0.0, round(float(row[1]), 1)))
