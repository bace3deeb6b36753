"""Ending cleanly: the first signal asks, the second one insists."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED_EXIT_CODE = 130
POLL_SECONDS = 0.1


class StopRequest:
    """Whether this process was asked to stop: by a signal, by its time limit, or by the death of its parent."""

    def __init__(self, timeout_seconds: float | None = None, *, parent: int | None = None) -> None:
        self._parent = parent
        self.on_signal: Callable[[], None] = lambda: None
        """Called at the first signal, at once: what must be done even if a second signal follows."""
        self._deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        self.interrupted = False
        """A signal arrived (a time limit does not count as an interruption)."""

    @property
    def requested(self) -> bool:
        """Whether to stop now."""
        if self._parent is not None and os.getppid() != self._parent:
            self.interrupted = True  # the launcher died without a word
        return self.interrupted or (self._deadline is not None and time.monotonic() >= self._deadline)

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than until a stop is requested."""
        deadline = time.monotonic() + seconds
        while not self.requested and time.monotonic() < deadline:
            time.sleep(min(POLL_SECONDS, max(0.0, deadline - time.monotonic())))

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Take the first SIGINT, SIGTERM or SIGHUP as a request; end the process at once at the second."""
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        previous = {number: signal.signal(number, self._receive) for number in numbers}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            os._exit(INTERRUPTED_EXIT_CODE)
        self.interrupted = True
        self.on_signal()
