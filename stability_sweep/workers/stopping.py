"""Ending cleanly: any number of signals is one request; only a person's second Ctrl-C insists."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

INTERRUPTED_EXIT_CODE = 130
POLL_SECONDS = 0.1

SAME_REQUEST_SECONDS = 0.3
"""A SIGINT so soon after the first one belongs to it: one key press can reach a process by several ways."""


class StopRequest:
    """Whether this process was asked to stop: by a signal, by its time limit, or by the death of its parent."""

    def __init__(self, timeout_seconds: float | None = None, *, parent: int | None = None) -> None:
        self._parent = parent
        self.on_signal: Callable[[], None] = lambda: None
        """Called at the first signal, at once: what must be done even if the process is ended by a second Ctrl-C."""
        self.on_insistence: Callable[[], None] = lambda: None
        """Called at a person's second Ctrl-C, just before this process ends."""
        self._deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        self._first_ctrl_c: float | None = None
        self._ends_now = False
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
        """Take SIGINT, SIGTERM and SIGHUP as a request, however often they come; end at once at a second Ctrl-C.

        A scheduler signals a whole process group, and the launcher its workers besides: a worker gets the same request
        twice. A signal that was ignored at the start (SIGHUP under ``nohup``) stays ignored.
        """
        previous: dict[signal.Signals, Any] = {}
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            handler = signal.getsignal(number)
            if handler is not signal.SIG_IGN:
                previous[number] = handler
                signal.signal(number, self._receive)
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, signal.SIG_IGN if self._ends_now else handler)

    def end_now(self) -> None:
        """Ignore what still comes of the same request: the process ends, and says how by its exit code."""
        self._ends_now = True

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            now = time.monotonic()
            if self._first_ctrl_c is None:
                self._first_ctrl_c = now
            elif now - self._first_ctrl_c > SAME_REQUEST_SECONDS:
                self.on_insistence()
                os._exit(INTERRUPTED_EXIT_CODE)
        if not self.interrupted:
            self.interrupted = True
            self.on_signal()
