"""Results that the database could not take yet, on the worker's own disk."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import platformdirs
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import URL

from stability_sweep.environment import SPOOL_VARIABLE
from stability_sweep.outcome import TrialResult
from stability_sweep.storage import Provenance

logger = logging.getLogger(__name__)


class SpooledResult(BaseModel):
    """Everything that `Repository.save_result` needs."""

    model_config = ConfigDict(ser_json_inf_nan="strings", ser_json_bytes="base64", val_json_bytes="base64")

    study: str
    trial_id: int
    number: int
    result: TrialResult
    provenance: Provenance
    telemetry_bytes: bytes | None
    """`Telemetry.to_bytes`; None for a trial without a step."""
    autopsy_bytes: bytes | None
    """`Autopsy.to_bytes`, of a diverged trial."""


class Spool:
    """A folder for one database: one file per result."""

    def __init__(self, url: URL) -> None:
        place = url.set(password=None).render_as_string()
        root = os.environ.get(SPOOL_VARIABLE) or platformdirs.user_state_path("stability-sweep") / "spool"
        self._folder = Path(root) / hashlib.sha256(place.encode()).hexdigest()[:16]

    def keep(self, entry: SpooledResult) -> None:
        """Write a result; a disk that cannot take it is told, and the worker keeps it in memory alone."""
        path = self._path(entry)
        unfinished = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with unfinished.open("w", encoding="utf-8") as file:
                file.write(entry.model_dump_json())
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError as error:
            logger.warning(
                "the result of trial %d cannot be kept in %s (%s): it stays in memory until the database is back",
                entry.number, path.parent, error.strerror or error,
            )  # fmt: skip

    def forget(self, entry: SpooledResult) -> None:
        """Delete a result that was delivered."""
        self._path(entry).unlink(missing_ok=True)

    def entries(self, study: str) -> Iterator[SpooledResult]:
        """What waits for delivery to a study; a damaged file is told and left alone."""
        for path in sorted(self._folder.glob("*.json")):
            try:
                entry = SpooledResult.model_validate_json(path.read_bytes())
            except (OSError, ValidationError) as error:
                logger.warning("%s is not a spooled result and is left alone: %s", path, str(error).splitlines()[0])
                continue
            if entry.study == study:
                yield entry

    def _path(self, entry: SpooledResult) -> Path:
        return self._folder / f"{entry.study}-{entry.trial_id}.json"
