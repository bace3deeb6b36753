"""Results that the database could not take yet, on the worker's own disk.

A result waits under the identity of its database, not under a path or a URL: those may lead to another database
tomorrow. What turns out to belong to nothing that is there is put aside, and never deleted.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import platformdirs
from pydantic import BaseModel, ConfigDict, ValidationError

from stability_sweep.environment import SPOOL_VARIABLE
from stability_sweep.results.outcome import TrialResult
from stability_sweep.storage import Database, Provenance
from stability_sweep.storage.records import StoredStudy, TrialIdentity

logger = logging.getLogger(__name__)

ASIDE = "aside"
"""Folder for results that do not belong to anything that their database holds now."""


class SpooledResult(BaseModel):
    """Everything that `Repository.save_result` needs."""

    model_config = ConfigDict(ser_json_inf_nan="strings", ser_json_bytes="base64", val_json_bytes="base64")

    study: str
    sqlite_file: str | None
    """The database's file; None for one on a server. A copied file has the identity of its original."""
    identity: TrialIdentity
    result: TrialResult
    provenance: Provenance
    telemetry_bytes: bytes | None
    """`Telemetry.to_bytes`; None for a trial without a step."""
    autopsy_bytes: bytes | None
    """`Autopsy.to_bytes`, of a diverged trial."""

    @property
    def number(self) -> int:
        """The trial's number in its study."""
        return self.identity.number


class Spool:
    """The results that wait for one database, one file each. Nobody else may read them."""

    def __init__(self, database: Database) -> None:
        root = os.environ.get(SPOOL_VARIABLE) or platformdirs.user_state_path("stability-sweep") / "spool"
        self._root = Path(root)
        self._folder = self._root / database.database_id
        self.sqlite_file = None if database.sqlite_file is None else str(database.sqlite_file)

    def keep(self, entry: SpooledResult) -> None:
        """Write a result; if the disk cannot take it that is logged, and the worker keeps it in memory alone."""
        try:
            _write(self._path(entry), entry)
        except OSError as error:
            logger.warning(
                "the result of trial %d cannot be kept in %s (%s): it stays in memory until the database is back",
                entry.number,
                self._folder,
                error.strerror or error,
            )

    def put_aside(self, entry: SpooledResult, reason: Exception) -> None:
        """Keep a result that belongs to nothing that is there, and say so."""
        path = self._root / ASIDE / self._path(entry).relative_to(self._root)
        try:
            _write(path, entry)
        except OSError as error:
            logger.warning("%s; it cannot be kept in %s either (%s)", reason, path.parent, error.strerror or error)
        else:
            logger.warning("%s; it was not stored there, and is kept in %s", reason, path)
        self.forget(entry)

    def forget(self, entry: SpooledResult) -> None:
        """Delete a result that was delivered."""
        self._path(entry).unlink(missing_ok=True)

    def entries(self, study: StoredStudy) -> Iterator[SpooledResult]:
        """What waits for delivery to a study; a damaged file is logged and left alone."""
        for path in sorted(self._folder.glob(f"{study.study_uuid}-*.json")):
            try:
                entry = SpooledResult.model_validate_json(path.read_bytes())
            except (OSError, ValidationError, RecursionError) as error:
                reason = str(error).splitlines()[0]
                logger.warning("%s is not a spooled result and is left alone: %s", path, reason)
                continue
            if self._is_for_here(entry):
                yield entry

    def _is_for_here(self, entry: SpooledResult) -> bool:
        """Whether the result was measured for this file, or for one that was moved here since."""
        there = entry.sqlite_file
        return there is None or there == self.sqlite_file or not Path(there).exists()

    def _path(self, entry: SpooledResult) -> Path:
        return self._folder / f"{entry.identity.study_uuid}-{entry.identity.trial_id}.json"


def _write(path: Path, entry: SpooledResult) -> None:
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.parent.chmod(0o700)
    with open(os.open(unfinished, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(entry.model_dump_json(by_alias=True))
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
