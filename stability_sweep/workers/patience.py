"""Living through an outage of the database: the same call again, with growing pauses."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from stability_sweep.errors import OutageError
from stability_sweep.storage import Database
from stability_sweep.workers.stopping import StopRequest

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0
LONGEST_OUTAGE_SECONDS = 15 * 60.0

Result = TypeVar("Result")


class Patience:
    """Repeats what fails because the database does not answer. What it is given must be safe to repeat."""

    def __init__(self, database: Database, stop: StopRequest) -> None:
        self._database = database
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
        failures: list[OutageError] = []
        started = time.monotonic()

        def attempt() -> Result:
            if failures and self._stop.requested:  # during the pause: nobody waits for another answer
                raise failures[-1]
            try:
                with self._database.errors():
                    return operation()
            except OutageError as error:
                if not failures:
                    logger.warning("%s failed, and is tried again for up to 15 minutes: %s", what, error)
                failures.append(error)
                raise

        lasts_too_long = stop_after_delay(LONGEST_OUTAGE_SECONDS)

        def give_up(state: RetryCallState) -> bool:
            return self._stop.requested or lasts_too_long(state)

        result = Retrying(
            retry=retry_if_exception_type(OutageError),
            wait=wait_exponential(multiplier=FIRST_PAUSE_SECONDS, max=LONGEST_PAUSE_SECONDS),
            stop=give_up,
            sleep=self._stop.wait,
            reraise=True,
        )(attempt)
        if failures:
            logger.warning("%s: the database is back after %.0f s", what, time.monotonic() - started)
        return result
