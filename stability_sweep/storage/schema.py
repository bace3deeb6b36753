"""Our tables. They live beside Optuna's, in the same database, linked by Optuna's ids.

Every number that may be NaN or infinite has a *kind* beside it, because SQLite stores a NaN as NULL and other
databases refuse it: kind NULL means "never measured", otherwise it says which number it is.
"""

from __future__ import annotations

import math
from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Double, Integer, LargeBinary, String, Text, func
from sqlalchemy.dialects.mysql import MEDIUMBLOB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

VERSION_TABLE = "stability_schema_version"
"""Alembic's table for our own migration history (Optuna has one of its own)."""


class Base(DeclarativeBase):
    """Base of our tables."""


class DatabaseRow(Base):
    """One row: which database this is. A path or a URL may name another one tomorrow."""

    __tablename__ = "stability_database"

    row: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    """Always 1."""
    database_id: Mapped[str] = mapped_column(String(36))


class DefinitionRow(Base):
    """One row per study: what it is, and how much of it is to be run."""

    __tablename__ = "stability_definitions"

    study_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    """Optuna's id of the study."""
    study_uuid: Mapped[str] = mapped_column(String(36), server_default="")
    """Which study it is, whatever it is called and whatever number it has: both are given away again."""
    study_name: Mapped[str] = mapped_column(String(100))
    """What it was called when it was made."""
    fingerprint: Mapped[str] = mapped_column(String(64))
    definition: Mapped[str] = mapped_column(Text)
    """Canonical JSON."""
    dataset: Mapped[str] = mapped_column(String(20))
    """The data set really used; differs from the definition's where its fallback was taken."""
    budget_trials: Mapped[int] = mapped_column(Integer)
    program_version: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(DateTime, server_default=func.now())


class ResultRow(Base):
    """One row per finished trial."""

    __tablename__ = "stability_results"

    trial_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    """Optuna's id of the trial."""
    study_id: Mapped[int] = mapped_column(Integer, index=True)
    number: Mapped[int] = mapped_column(Integer)
    """The trial's number in its study."""
    seed: Mapped[int] = mapped_column(BigInteger)
    outcome: Mapped[str] = mapped_column(String(20))
    divergence_step: Mapped[int | None] = mapped_column(Integer)
    divergence_signal: Mapped[str | None] = mapped_column(String(20))
    divergence_origin: Mapped[str | None] = mapped_column(String(255))
    divergence_cause: Mapped[str | None] = mapped_column(String(40))
    steps: Mapped[int] = mapped_column(Integer)
    horizon: Mapped[int] = mapped_column(Integer)
    first_loss: Mapped[float | None] = mapped_column(Double)
    first_loss_kind: Mapped[str | None] = mapped_column(String(8))
    final_loss: Mapped[float | None] = mapped_column(Double)
    final_loss_kind: Mapped[str | None] = mapped_column(String(8))
    best_loss: Mapped[float | None] = mapped_column(Double)
    best_loss_kind: Mapped[str | None] = mapped_column(String(8))
    max_loss: Mapped[float | None] = mapped_column(Double)
    max_loss_kind: Mapped[str | None] = mapped_column(String(8))
    validation_loss: Mapped[float | None] = mapped_column(Double)
    validation_loss_kind: Mapped[str | None] = mapped_column(String(8))
    yardstick: Mapped[float | None] = mapped_column(Double)
    yardstick_kind: Mapped[str | None] = mapped_column(String(8))
    yardstick_at_start: Mapped[float | None] = mapped_column(Double)
    yardstick_at_start_kind: Mapped[str | None] = mapped_column(String(8))
    spikes: Mapped[int | None] = mapped_column(Integer)
    spike_height: Mapped[float | None] = mapped_column(Double)
    spike_height_kind: Mapped[str | None] = mapped_column(String(8))
    wall_seconds: Mapped[float] = mapped_column(Double)
    failure: Mapped[str | None] = mapped_column(Text)
    worker: Mapped[str] = mapped_column(String(255))
    """Host and process that ran it."""
    device: Mapped[str] = mapped_column(String(20))
    threads: Mapped[int] = mapped_column(Integer)
    torch_version: Mapped[str] = mapped_column(String(40))
    cpu: Mapped[str | None] = mapped_column(String(120))
    """Type and instruction set of the processor."""
    created_at: Mapped[datetime] = mapped_column(DateTime, server_default=func.now())


_Compressed = LargeBinary().with_variant(MEDIUMBLOB(), "mysql", "mariadb")


class WorkerRow(Base):
    """One row per worker that ever joined a study."""

    __tablename__ = "stability_workers"

    worker_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    study_id: Mapped[int] = mapped_column(Integer, index=True)
    host: Mapped[str] = mapped_column(String(255))
    process_id: Mapped[int] = mapped_column(Integer)
    device: Mapped[str] = mapped_column(String(20))
    trial_id: Mapped[int | None] = mapped_column(Integer)
    """Not used any more: what a worker runs stands in `HoldRow`."""
    grace_seconds: Mapped[float] = mapped_column(Double)
    """It counts as dead when it was not seen for so long."""
    started_at: Mapped[float] = mapped_column(Double)
    """On the database's clock, as are the others."""
    last_seen: Mapped[float] = mapped_column(Double)
    ended_at: Mapped[float | None] = mapped_column(Double)
    """When it said goodbye; None for one that lives or was killed."""


class LockRow(Base):
    """Who alone may do something, and until when."""

    __tablename__ = "stability_locks"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    holder: Mapped[str] = mapped_column(String(255))
    """Host and process, for people."""
    token: Mapped[str] = mapped_column(String(36))
    """Of this one time that the lock was taken."""
    taken_at: Mapped[float] = mapped_column(Double)
    """On the database's clock, as is the other."""
    expires_at: Mapped[float] = mapped_column(Double)
    """From then on anybody may take it; 0 for a lock that was given up."""


class HoldRow(Base):
    """Who runs a trial, and how often it was begun."""

    __tablename__ = "stability_claims"

    trial_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    trial_uuid: Mapped[str] = mapped_column(String(36), server_default="")
    """Which trial it is: in a database that was restored another one may get the same number. Empty: an older
    version of the program made it."""
    worker_id: Mapped[str | None] = mapped_column(String(36))
    """None for a trial that was given back."""
    attempts: Mapped[int] = mapped_column(Integer)
    """How often it was begun and not given back."""


class TelemetryRow(Base):
    """One row per trial that made a step, finished or not."""

    __tablename__ = "stability_telemetry"

    trial_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    content: Mapped[bytes] = mapped_column(_Compressed)
    """`Telemetry.to_bytes`; NaN and infinities are in there as bits."""


class AutopsyRow(Base):
    """One row per diverged trial."""

    __tablename__ = "stability_autopsies"

    trial_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    content: Mapped[bytes] = mapped_column(_Compressed)
    """`Autopsy.to_bytes`."""


_KINDS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def encode_number(value: float | None) -> tuple[float | None, str | None]:
    """A number as the database keeps it: value and kind."""
    if value is None:
        return None, None
    if math.isnan(value):
        return None, "nan"
    if math.isinf(value):
        return None, "inf" if value > 0 else "-inf"
    return value, "finite"


def decode_number(value: float | None, kind: str | None) -> float | None:
    """The number that `encode_number` was given."""
    if kind is None:
        return None
    return _KINDS.get(kind, value)
