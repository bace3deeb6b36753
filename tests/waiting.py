"""How tests wait: for a state, never for a time in which a busy machine may not get there."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Protocol

HANG_SECONDS = 600.0
"""After so long a test gives up. A guard against tests that would never end, never a claim about speed."""


class Ends(Protocol):
    """A thread or a process."""

    def join(self, timeout: float | None = None) -> None: ...
    def is_alive(self) -> bool: ...


def wait_until(condition: Callable[[], bool], what: str = "what this test waits for") -> None:
    """Look again and again until it holds.

    Raises:
        AssertionError: if it never does.
    """
    given_up = time.monotonic() + HANG_SECONDS
    while not condition():
        assert time.monotonic() < given_up, f"it never came: {what}"
        time.sleep(0.05)


def wait_for_end(*those: Ends, seconds: float = HANG_SECONDS) -> None:
    """Wait until all these threads or processes have ended."""
    given_up = time.monotonic() + seconds
    for one in those:
        one.join(max(0.0, given_up - time.monotonic()))
        assert not one.is_alive(), f"{one} still runs"


def output_of(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a program prints until its end, on standard output and on standard error."""
    return process.communicate(timeout=HANG_SECONDS)


def growing_limits(first_seconds: float) -> Iterator[float]:
    """Time limits, each twice the last, for a claim about a limit within which something must have begun.

    The machine decides which one is long enough, so a test takes the first that is.
    """
    limit = first_seconds
    while limit < HANG_SECONDS:
        yield limit
        limit *= 2
    raise AssertionError(f"it did not begin within {limit / 2:g} s")
