"""Ending cleanly: the first signal asks, the second one insists."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED_EXIT_CODE = 130


class StopRequest:
    """Whether this process was asked to stop, by a signal or by its time limit."""

    def __init__(self, timeout_seconds: float | None = None) -> None:
        self._deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        self.interrupted = False
        """A signal arrived (a time limit does not count as an interruption)."""

    @property
    def requested(self) -> bool:
        """Whether to stop now."""
        return self.interrupted or (self._deadline is not None and time.monotonic() >= self._deadline)

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Take the first SIGINT or SIGTERM as a request; end the process at once at the second."""
        previous = {number: signal.signal(number, self._receive) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            os._exit(INTERRUPTED_EXIT_CODE)
        self.interrupted = True
