"""Who works on a study and on which trial: heartbeats, claims, and room in the budget.

Every age is measured on the database's clock. A trial belongs to the worker that claims it; a worker that was not seen
for longer than its grace is dead, and its trials are anybody's.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import String, case, cast, func, select, update

from stability_sweep.storage.clock import database_seconds
from stability_sweep.storage.database import Database
from stability_sweep.storage.records import StoredStudy, WorkerStatus
from stability_sweep.storage.schema import ClaimRow, DefinitionRow, ResultRow, WorkerRow
from stability_sweep.storage.tables import trials

_state = cast(trials.c.state, String(20))


@dataclass(frozen=True)
class OpenTrial:
    """A trial without an outcome."""

    trial_id: int
    waits: bool
    """In the queue; otherwise it is marked as running."""
    worker_id: str | None
    """Who claims it. None: it was given back, or its creator is just about to claim it, or died before that."""
    worker: str
    """Host and process of that worker, for messages."""
    attempts: int
    is_left: bool
    """Whether the worker that claims it said goodbye."""
    is_overdue: bool
    """Whether that worker was not seen for longer than its grace."""


class Fleet:
    """The workers of one study. Safe to use from several threads and processes."""

    def __init__(self, database: Database, study: StoredStudy) -> None:
        self._database = database
        self._study_id = study.study_id

    # -- workers -----------------------------------------------------------------------------------------------------

    def join(self, *, host: str, process_id: int, device: str, grace_seconds: float) -> str:
        """Enter a worker, and return its id."""
        worker_id = str(uuid.uuid4())
        with self._database.session() as session:
            session.add(
                WorkerRow(
                    worker_id=worker_id,
                    study_id=self._study_id,
                    host=host,
                    process_id=process_id,
                    device=device,
                    grace_seconds=grace_seconds,
                    started_at=database_seconds(),
                    last_seen=database_seconds(),
                )
            )
        return worker_id

    def beat(self, worker_id: str, trial_id: int | None) -> None:
        """Say that a worker lives, and what it runs."""
        self._update_worker(worker_id, last_seen=database_seconds(), trial_id=trial_id)

    def leave(self, worker_id: str) -> None:
        """Say goodbye: what the worker still claims is anybody's at once."""
        self._update_worker(worker_id, last_seen=database_seconds(), trial_id=None, ended_at=database_seconds())

    def _update_worker(self, worker_id: str, **values: object) -> None:
        with self._database.session() as session:
            session.execute(update(WorkerRow).where(WorkerRow.worker_id == worker_id).values(**values))

    def workers(self) -> list[WorkerStatus]:
        """Workers that did not say goodbye, the last seen first."""
        age = database_seconds() - WorkerRow.last_seen
        with self._database.session() as session:
            rows = session.execute(
                select(WorkerRow, age, trials.c.number)
                .outerjoin(trials, trials.c.trial_id == WorkerRow.trial_id)
                .where(WorkerRow.study_id == self._study_id, WorkerRow.ended_at.is_(None))
                .order_by(age)
            ).all()
            return [
                WorkerStatus(
                    host=row.host,
                    process_id=row.process_id,
                    device=row.device,
                    trial=number,
                    last_seen_seconds=max(0.0, round(float(seconds), 1)),
                    alive=float(seconds) <= row.grace_seconds,
                )
                for row, seconds, number in rows
            ]

    # -- claims ------------------------------------------------------------------------------------------------------

    def open_trials(self) -> list[OpenTrial]:
        """Every trial that runs or waits, with its claim, in the order of creation."""
        overdue = database_seconds() - WorkerRow.last_seen > WorkerRow.grace_seconds
        with self._database.session() as session:
            rows = session.execute(
                select(
                    trials.c.trial_id,
                    _state,
                    ClaimRow.worker_id,
                    ClaimRow.attempts,
                    WorkerRow.host,
                    WorkerRow.process_id,
                    case((WorkerRow.ended_at.is_not(None) | WorkerRow.worker_id.is_(None), 1), else_=0),
                    case((overdue, 1), else_=0),
                )
                .outerjoin(ClaimRow, ClaimRow.trial_id == trials.c.trial_id)
                .outerjoin(WorkerRow, WorkerRow.worker_id == ClaimRow.worker_id)
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

    def claim(self, trial_id: int, worker_id: str) -> None:
        """Enter the worker as the one that runs a trial which nobody else may run now."""
        with self._database.session() as session:
            row = session.get(ClaimRow, trial_id)
            if row is None:
                session.add(ClaimRow(trial_id=trial_id, worker_id=worker_id, attempts=1))
            elif row.worker_id != worker_id:
                row.worker_id = worker_id
                row.attempts += 1

    def release(self, trial_id: int) -> None:
        """Give a trial back: it does not count as an attempt."""
        with self._database.session() as session:
            row = session.get(ClaimRow, trial_id)
            if row is not None:
                row.worker_id, row.attempts = None, row.attempts - 1

    def take_over(self, lost: OpenTrial, worker_id: str) -> bool:
        """Claim a lost trial; false if another worker was quicker."""
        with self._database.session() as session:
            changed = session.execute(
                update(ClaimRow)
                .where(ClaimRow.trial_id == lost.trial_id, ClaimRow.worker_id == lost.worker_id)
                .values(worker_id=worker_id, attempts=ClaimRow.attempts + 1)
            )
            return bool(changed.rowcount)  # type: ignore[attr-defined]

    # -- budget ------------------------------------------------------------------------------------------------------

    @contextmanager
    def budget_lock(self) -> Iterator[None]:
        """Held while a trial is created, so that never more trials exist than the budget allows."""
        with self._database.lock(f"budget-{self._study_id}"):
            yield

    def next_number(self) -> int | None:
        """Number of the trial that the budget allows next; None if it is used up.

        Trials with an outcome, that run or that wait take it up; those that another program ended do not.
        """
        of_study = select(func.count()).where(trials.c.study_id == self._study_id)
        finished = of_study.select_from(trials.join(ResultRow, ResultRow.trial_id == trials.c.trial_id))
        pending = of_study.select_from(trials.outerjoin(ResultRow, ResultRow.trial_id == trials.c.trial_id)).where(
            _state.in_(("RUNNING", "WAITING")), ResultRow.trial_id.is_(None)
        )
        used = finished.scalar_subquery() + pending.scalar_subquery()
        every = of_study.select_from(trials).scalar_subquery()
        with self._database.session() as session:
            return session.scalar(
                select(case((used < DefinitionRow.budget_trials, every))).where(
                    DefinitionRow.study_id == self._study_id
                )
            )
