"""The only place that speaks SQL about studies and results."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import optuna
from optuna.study import StudyDirection
from sqlalchemy import String, case, cast, column, delete, func, literal, select, table, update
from sqlalchemy.orm import Session

from stability_sweep import __version__
from stability_sweep.definition import StudyDefinition
from stability_sweep.errors import StudyError
from stability_sweep.outcome import LOSS_FIELDS, Divergence, Outcome, Signal, TrialResult
from stability_sweep.storage.database import Database, storage_errors
from stability_sweep.storage.schema import (
    DefinitionRow,
    ResultRow,
    decode_number,
    encode_number,
)

WORKER_ATTRIBUTE = "stability_sweep:worker"
"""Optuna user attribute of a trial: the worker that runs it."""

_studies = table("studies", column("study_id"), column("study_name"))
_trials = table("trials", column("trial_id"), column("study_id"), column("state"))


@dataclass(frozen=True)
class StoredStudy:
    """A study as the database knows it."""

    study_id: int
    definition: StudyDefinition
    """As written, with the data set that is asked for."""
    dataset: str
    """The data set really used."""
    budget_trials: int

    @property
    def name(self) -> str:
        """The study's name."""
        return self.definition.name

    @property
    def effective_definition(self) -> StudyDefinition:
        """The definition with the data set that is really used."""
        return self.definition.on("digits" if self.dataset == "digits" else "mnist")


@dataclass(frozen=True)
class Provenance:
    """Where a result was computed."""

    worker: str
    device: str
    threads: int
    torch_version: str


@dataclass(frozen=True)
class StoredResult:
    """A trial's result as the database knows it."""

    trial_id: int
    number: int
    result: TrialResult
    provenance: Provenance


@dataclass(frozen=True)
class StudySummary:
    """How far a study is."""

    study: str
    budget: int
    outcomes: dict[str, int]
    """Finished trials by outcome; every outcome is a key."""
    running: int
    waiting: int
    workers: list[dict[str, str | int]] = field(default_factory=list)
    """Who runs a trial now: ``worker`` (host and process) and ``trial``."""

    @property
    def finished(self) -> int:
        """Trials that have an outcome."""
        return sum(self.outcomes.values())


class Repository:
    """Studies and results in one database. Safe to use from several processes; not from several threads."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @contextlib.contextmanager
    def _session(self) -> Iterator[Session]:
        with storage_errors(self.database.url), Session(self.database.engine) as session, session.begin():
            yield session

    # -- studies -----------------------------------------------------------------------------------------------------

    def find_study(self, name: str) -> StoredStudy | None:
        """The study of that name, or None.

        Raises:
            StudyError: if Optuna has a study of that name which is none of ours.
        """
        with self._session() as session:
            row = session.execute(
                select(_studies.c.study_id, DefinitionRow)
                .outerjoin(
                    DefinitionRow,
                    (DefinitionRow.study_id == _studies.c.study_id) & (DefinitionRow.study_name == name),
                )
                .where(_studies.c.study_name == name)
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
        with self.database.creation_lock():
            existing = self.find_study(definition.name)
            if existing is not None:
                return existing
            with self._session() as session:
                self._delete_orphans(session)
            with storage_errors(self.database.url):
                study_id = self.database.optuna_storage.create_new_study([StudyDirection.MINIMIZE], definition.name)
            with self._session() as session:
                session.add(
                    DefinitionRow(
                        study_id=study_id,
                        study_name=definition.name,
                        fingerprint=definition.fingerprint,
                        definition=definition.to_json(),
                        dataset=dataset,
                        budget_trials=definition.budget.trials,
                        granted_trials=0,
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
                _studies.c.study_id == DefinitionRow.study_id,
                _studies.c.study_name == DefinitionRow.study_name,
            )
            .exists()
        )
        session.execute(delete(DefinitionRow).where(~named))
        session.execute(delete(ResultRow).where(ResultRow.trial_id.not_in(select(_trials.c.trial_id))))

    def study_names(self) -> list[str]:
        """Our studies, oldest first."""
        with self._session() as session:
            return list(
                session.scalars(
                    select(DefinitionRow.study_name)
                    .join(_studies, _studies.c.study_id == DefinitionRow.study_id)
                    .where(_studies.c.study_name == DefinitionRow.study_name)
                    .order_by(DefinitionRow.study_id)
                )
            )

    # -- budget ------------------------------------------------------------------------------------------------------

    def set_budget(self, study: StoredStudy, trials: int) -> StoredStudy:
        """Let the study have `trials` trials in all; trials that exist are never taken away."""
        with self._session() as session:
            session.execute(
                update(DefinitionRow).where(DefinitionRow.study_id == study.study_id).values(budget_trials=trials)
            )
        return self.get_study(study.name)

    def grant_trials(self, study: StoredStudy, group: int) -> range:
        """Reserve new trials of the budget in one statement: places in the study's order, empty when it is used up.

        Places are given out in groups that start at multiples of `group` (a point with its repeats); where an earlier
        budget cut a group short, the rest of it comes first.
        """
        mine = DefinitionRow.study_id == study.study_id
        with self._session() as session:
            columns = (DefinitionRow.granted_trials, DefinitionRow.budget_trials)
            granted, budget = session.execute(select(*columns).where(mine).with_for_update()).one()
            places = range(granted, max(granted, min(budget, granted + group - granted % group)))
            # SQLite knows no row locks: the condition makes the update fail if another worker was quicker.
            changed = session.execute(
                update(DefinitionRow)
                .where(mine, DefinitionRow.granted_trials == granted)
                .values(granted_trials=granted + len(places))
            )
        return places if changed.rowcount else self.grant_trials(study, group)  # type: ignore[attr-defined]

    def all_granted(self, study: StoredStudy) -> bool:
        """Whether the budget leaves no room for a new trial."""
        with self._session() as session:
            row = session.get_one(DefinitionRow, study.study_id)
            return row.granted_trials >= row.budget_trials

    # -- results -----------------------------------------------------------------------------------------------------

    def save_result(
        self, study: StoredStudy, trial: optuna.trial.FrozenTrial, result: TrialResult, provenance: Provenance
    ) -> None:
        """Store a trial's result, before Optuna is told: whoever finds it later can tell Optuna the same."""
        losses: dict[str, float | str | None] = {}
        for name in LOSS_FIELDS:
            losses[name], losses[f"{name}_kind"] = encode_number(getattr(result, name))
        row = ResultRow(
            trial_id=trial._trial_id,
            study_id=study.study_id,
            number=trial.number,
            seed=result.seed,
            outcome=result.outcome.value,
            divergence_step=result.divergence and result.divergence.step,
            divergence_signal=result.divergence and result.divergence.signal.value,
            steps=result.steps,
            horizon=result.horizon,
            wall_seconds=result.wall_seconds,
            failure=result.failure,
            worker=provenance.worker,
            device=provenance.device,
            threads=provenance.threads,
            torch_version=provenance.torch_version,
            **losses,
        )
        with self._session() as session:
            session.merge(row)

    def results(self, study: StoredStudy, *, after_number: int = -1) -> list[StoredResult]:
        """Results in the order of the trials' numbers."""
        with self._session() as session:
            rows = session.scalars(
                select(ResultRow)
                .join(_trials, _trials.c.trial_id == ResultRow.trial_id)
                .where(_trials.c.study_id == study.study_id, ResultRow.number > after_number)
                .order_by(ResultRow.number)
            )
            return [_stored_result(row) for row in rows]

    def summary(self, study: StoredStudy) -> StudySummary:
        """How far the study is."""
        state = cast(_trials.c.state, String(20))
        with self._session() as session:
            states = session.execute(
                select(
                    func.coalesce(func.sum(case((state == "RUNNING", 1), else_=0)), 0),
                    func.coalesce(func.sum(case((state == "WAITING", 1), else_=0)), 0),
                ).where(_trials.c.study_id == study.study_id)
            ).one()
            counts = session.execute(
                select(ResultRow.outcome, func.count())
                .join(_trials, _trials.c.trial_id == ResultRow.trial_id)
                .where(_trials.c.study_id == study.study_id)
                .group_by(ResultRow.outcome)
            ).all()
        by_outcome = {outcome: int(count) for outcome, count in counts}
        return StudySummary(
            study=study.name,
            budget=study.budget_trials,
            outcomes={outcome.value: by_outcome.get(outcome.value, 0) for outcome in Outcome},
            running=int(states[0]),
            waiting=int(states[1]),
            workers=self._workers(study) if states[0] else [],
        )

    def _workers(self, study: StoredStudy) -> list[dict[str, str | int]]:
        with storage_errors(self.database.url):
            running = self.database.optuna_storage.get_all_trials(
                study.study_id, deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)
            )
        return [
            {"worker": str(trial.user_attrs.get(WORKER_ATTRIBUTE, "unknown")), "trial": trial.number}
            for trial in running
        ]


def _stored_result(row: ResultRow) -> StoredResult:
    divergence = None
    if row.divergence_step is not None and row.divergence_signal is not None:
        divergence = Divergence(step=row.divergence_step, signal=Signal(row.divergence_signal))
    losses = {name: decode_number(getattr(row, name), getattr(row, f"{name}_kind")) for name in LOSS_FIELDS}
    result = TrialResult(
        seed=row.seed,
        outcome=Outcome(row.outcome),
        horizon=row.horizon,
        steps=row.steps,
        divergence=divergence,
        wall_seconds=row.wall_seconds,
        failure=row.failure,
        **losses,
    )
    provenance = Provenance(row.worker, row.device, row.threads, row.torch_version)
    return StoredResult(row.trial_id, row.number, result, provenance)
