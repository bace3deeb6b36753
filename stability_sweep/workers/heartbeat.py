"""A worker's sign of life, from a thread of its own: a long step must not look like death."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType

from stability_sweep.environment import HEARTBEAT_VARIABLE, seconds_from
from stability_sweep.errors import StorageError

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 10.0
GRACE_BEATS = 3
"""A worker is dead when so many heartbeats in a row are missing."""

LONGEST_GAP = 2
"""After so many intervals without a beat that was answered, this process knows nothing of the others."""


def heartbeat_seconds() -> float:
    """Time between two heartbeats: 10 s, or what the environment says."""
    return seconds_from(HEARTBEAT_VARIABLE, HEARTBEAT_SECONDS)


class Heartbeat:
    """Beats while it is entered."""

    def __init__(self, beat: Callable[[], None], interval_seconds: float) -> None:
        self._beat = beat
        self._interval_seconds = interval_seconds
        self._grace_seconds = GRACE_BEATS * interval_seconds
        self._steady_since: float | None = time.monotonic()
        self._last_beat = self._steady_since
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    @property
    def is_steady(self) -> bool:
        """Whether the database has answered every beat for as long as the grace, and does so now.

        After an outage everybody looks dead until the next beat: before that nobody is to be declared so. A beat that
        is still waiting for its answer counts as none: the network may be swallowing everybody's.
        """
        now, since = time.monotonic(), self._steady_since
        is_recent = now - self._last_beat <= LONGEST_GAP * self._interval_seconds
        return is_recent and since is not None and now - since >= self._grace_seconds

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join(timeout=self._interval_seconds)

    def _run(self) -> None:
        while not self._end.wait(self._interval_seconds):
            try:
                self._beat()
            except StorageError as error:  # the worker goes on; others may take its trial if this lasts
                self._steady_since = None
                logger.debug("no heartbeat: %s", error)
                continue
            now = time.monotonic()
            # A long gap, whether the database or this process stood still: the others may look dead to it alone.
            was_interrupted = now - self._last_beat > LONGEST_GAP * self._interval_seconds
            self._steady_since = now if was_interrupted else self._steady_since or now
            self._last_beat = now
