"""Who works on a study: workers enter, give signs of life, and say goodbye.

Every age is measured on the database's clock. A worker that was not seen for longer than its grace is dead.
"""

from __future__ import annotations

import uuid
from collections import defaultdict

from sqlalchemy import String, cast, func, select, update

from stability_sweep.storage.clock import database_seconds
from stability_sweep.storage.database import Database
from stability_sweep.storage.optuna_tables import trials
from stability_sweep.storage.records import StoredStudy, WorkerStatus
from stability_sweep.storage.schema import HoldRow, ResultRow, WorkerRow


class Workers:
    """The workers of one study. Safe to use from several threads and processes."""

    def __init__(self, database: Database, study: StoredStudy) -> None:
        self._database = database
        self._study_id = study.study_id

    def join(
        self, *, host: str, process_id: int, device: str, grace_seconds: float, worker_id: str | None = None
    ) -> str:
        """Enter a worker, and return its id.

        Args:
            host: where it runs.
            process_id: its process there.
            device: what it computes on.
            grace_seconds: it counts as dead when it was not seen for so long.
            worker_id: of one that had joined before and is no longer known: the database was restored.
        """
        worker_id = worker_id or str(uuid.uuid4())
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

    def beat(self, worker_id: str) -> bool:
        """Say that a worker lives; false if the database does not know it (any more)."""
        return self._update(worker_id, last_seen=database_seconds())

    def leave(self, worker_id: str) -> None:
        """Say goodbye: what the worker still holds is anybody's at once."""
        self._update(worker_id, last_seen=database_seconds(), ended_at=database_seconds())

    def present(self) -> list[WorkerStatus]:
        """Workers that did not say goodbye, the last seen first."""
        age = database_seconds() - WorkerRow.last_seen
        running = (
            select(HoldRow.worker_id, trials.c.number)
            .join(trials, trials.c.trial_id == HoldRow.trial_id)
            .outerjoin(ResultRow, ResultRow.trial_id == trials.c.trial_id)
            .where(trials.c.study_id == self._study_id, cast(trials.c.state, String(20)) == "RUNNING")
            .order_by(trials.c.number)
        )
        present = (
            select(WorkerRow, age)
            .where(WorkerRow.study_id == self._study_id, WorkerRow.ended_at.is_(None))
            .order_by(age)
        )
        held: dict[str, list[int]] = defaultdict(list)
        with self._database.session() as session:
            rows = session.execute(present).all()
            for worker_id, number in session.execute(running):
                held[worker_id].append(number)
            return [
                WorkerStatus(
                    host=row.host,
                    process_id=row.process_id,
                    device=row.device,
                    trials=held[row.worker_id],
                    last_seen_seconds=max(0.0, round(float(seconds), 1)),
                    alive=float(seconds) <= row.grace_seconds,
                )
                for row, seconds in rows
            ]

    def living_on(self, host: str) -> int:
        """How many workers live on a host, of all studies of this database."""
        age = database_seconds() - WorkerRow.last_seen
        statement = (
            select(func.count())
            .select_from(WorkerRow)
            .where(WorkerRow.host == host, WorkerRow.ended_at.is_(None), age <= WorkerRow.grace_seconds)
        )
        with self._database.session() as session:
            return int(session.scalar(statement) or 0)

    def _update(self, worker_id: str, **values: object) -> bool:
        with self._database.session() as session:
            changed = session.execute(update(WorkerRow).where(WorkerRow.worker_id == worker_id).values(**values))
            return bool(changed.rowcount)  # type: ignore[attr-defined]
