"""What the repository gives and takes: value objects, and their rows."""

from __future__ import annotations

from dataclasses import dataclass, field

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.errors import StudyError
from stability_sweep.results.outcome import LOSS_FIELDS, Divergence, Outcome, Symptom, TrialResult
from stability_sweep.space.dimensions import Point
from stability_sweep.storage.schema import ResultRow, decode_number, encode_number


@dataclass(frozen=True)
class StoredStudy:
    """A study as the database knows it."""

    study_id: int
    study_uuid: str
    """Which study it is: its number and its name are given away again when it is deleted."""
    name: str
    """What Optuna calls it; the definition's name, unless another program has renamed it."""
    definition: StudyDefinition
    """As written, with the data set that it names."""
    dataset: str
    """The data set really used."""
    budget_trials: int

    @property
    def effective_definition(self) -> StudyDefinition:
        """The definition with the data set that is really used."""
        return self.definition.on(self.dataset)


@dataclass(frozen=True)
class TrialIdentity:
    """Which trial a result was measured for, by what no other trial has."""

    database_id: str
    study_uuid: str
    fingerprint: str
    """Of the study's definition."""
    trial_id: int
    number: int
    trial_uuid: str
    """Made when the trial was first begun; the same number in a restored database is another trial."""
    attempt: int
    """The how manieth time it was begun."""
    params: dict[str, float]
    """Its point as Optuna stores it: by parameter, the internal value."""


@dataclass(frozen=True)
class Provenance:
    """Where a result was computed."""

    worker: str
    device: str
    threads: int
    torch_version: str
    cpu: str | None = None
    """Type and instruction set of the processor; None for results of versions that did not note it."""


@dataclass(frozen=True)
class StoredResult:
    """A trial's result as the database knows it."""

    trial_id: int
    number: int
    result: TrialResult
    provenance: Provenance


@dataclass(frozen=True)
class StoredTrial:
    """A trial as the database knows it, finished or not."""

    trial_id: int
    number: int
    state: str
    """Optuna's word for it: running, waiting, complete, pruned or fail."""
    point: Point
    worker: str | None
    """Host and process that runs it, or ran it last."""
    stored: StoredResult | None
    """None as long as it has no outcome."""

    def finished(self) -> StoredResult:
        """Its stored result.

        Raises:
            StudyError: if it has none: it runs, waits, or was made by another program.
        """
        if self.stored is not None:
            return self.stored
        if self.state in ("running", "waiting"):
            who = f" on {self.worker}" if self.state == "running" and self.worker else ""
            raise StudyError(
                f"trial {self.number} has no outcome yet: it is {self.state}{who}; ask again when `stability-sweep "
                f"status` counts it as finished"
            )
        raise StudyError(f"trial {self.number} has no result of stability-sweep: another program ended it")


@dataclass(frozen=True)
class WorkerStatus:
    """A worker as the database knows it."""

    host: str
    process_id: int
    device: str
    trials: list[int]
    """Numbers of the trials that it holds and runs, the smallest first."""
    last_seen_seconds: float
    """How long ago, on the database's clock."""
    alive: bool
    """Whether that is within its grace."""


@dataclass(frozen=True)
class StudySummary:
    """How far a study is."""

    study: str
    budget: int
    outcomes: dict[str, int]
    """Finished trials by outcome; every outcome is a key."""
    running: int
    waiting: int
    workers: list[WorkerStatus] = field(default_factory=list)
    """Workers that did not say goodbye: alive, or dead."""
    lock: tuple[str, float] | None = None
    """Who alone may create a trial right now (host and process), and for how many seconds by now."""

    @property
    def finished(self) -> int:
        """Trials that have an outcome."""
        return sum(self.outcomes.values())


def result_row(study_id: int, trial_id: int, number: int, result: TrialResult, provenance: Provenance) -> ResultRow:
    """The row of a result.

    Args:
        study_id: Optuna's id of the study.
        trial_id: Optuna's id of the trial.
        number: its number in the study.
        result: what came of it.
        provenance: where it was computed.
    """
    losses: dict[str, float | str | None] = {}
    for name in LOSS_FIELDS:
        losses[name], losses[f"{name}_kind"] = encode_number(getattr(result, name))
    divergence = result.divergence
    return ResultRow(
        trial_id=trial_id,
        study_id=study_id,
        number=number,
        seed=result.seed,
        outcome=result.outcome.value,
        divergence_step=divergence and divergence.step,
        divergence_signal=divergence and divergence.symptom.value,
        divergence_origin=divergence and divergence.origin,
        divergence_cause=divergence and divergence.cause,
        steps=result.steps,
        horizon=result.horizon,
        spikes=result.spikes,
        wall_seconds=result.wall_seconds,
        failure=result.failure,
        worker=provenance.worker,
        device=provenance.device,
        threads=provenance.threads,
        torch_version=provenance.torch_version,
        cpu=provenance.cpu,
        **losses,
    )


def stored_result(row: ResultRow) -> StoredResult:
    """The result of a row."""
    divergence = None
    if row.divergence_step is not None and row.divergence_signal is not None:
        divergence = Divergence(
            step=row.divergence_step,
            symptom=Symptom(row.divergence_signal),
            origin=row.divergence_origin,
            cause=row.divergence_cause,
        )
    losses = {name: decode_number(getattr(row, name), getattr(row, f"{name}_kind")) for name in LOSS_FIELDS}
    result = TrialResult(
        seed=row.seed,
        outcome=Outcome(row.outcome),
        horizon=row.horizon,
        steps=row.steps,
        divergence=divergence,
        spikes=row.spikes,
        wall_seconds=row.wall_seconds,
        failure=row.failure,
        **losses,
    )
    provenance = Provenance(row.worker, row.device, row.threads, row.torch_version, row.cpu)
    return StoredResult(row.trial_id, row.number, result, provenance)
