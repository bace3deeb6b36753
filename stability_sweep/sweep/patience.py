"""Living through an outage of the database: the same call again, with growing pauses."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import URL

from stability_sweep.errors import OutageError
from stability_sweep.storage.outages import storage_errors
from stability_sweep.sweep.stopping import StopRequest

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0
LONGEST_OUTAGE_SECONDS = 15 * 60.0

Result = TypeVar("Result")


class Patience:
    """Repeats what fails because the database does not answer. What it is given must be safe to repeat."""

    def __init__(self, url: URL, stop: StopRequest) -> None:
        self._url = url
        self._stop = stop

    def __call__(self, what: str, operation: Callable[[], Result]) -> Result:
        """Do it, again and again for up to 15 minutes of outage.

        Args:
            what: what is being done, for the message.
            operation: does it, from its beginning every time.

        Raises:
            OutageError: if a stop is requested meanwhile, or the database stays away for longer.
            StorageError: any other error of the database, at once.
        """
        started = time.monotonic()
        pause = FIRST_PAUSE_SECONDS
        failed = False
        while True:
            try:
                with storage_errors(self._url):
                    result = operation()
            except OutageError as error:
                if not failed:
                    logger.warning("%s failed, and is tried again for up to 15 minutes: %s", what, error)
                failed = True
                self._stop.wait(pause)
                if self._stop.requested or time.monotonic() - started > LONGEST_OUTAGE_SECONDS:
                    raise
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                continue
            if failed:
                logger.warning("%s: the database is back after %.0f s", what, time.monotonic() - started)
            return result
