"""How a worker process ended: whether that is well, and what it printed last."""

from __future__ import annotations

import signal

from stability_sweep.workers.stopping import INTERRUPTED_EXIT_CODE

LINES_SHOWN = 5


def ended_well(code: int, *, was_asked_to_end: bool) -> bool:
    """Whether an exit code says done or interrupted; who was asked to end while still starting had no trial yet."""
    return code in (0, INTERRUPTED_EXIT_CODE) or (was_asked_to_end and code == -signal.SIGTERM)


def last_lines(output: str) -> str:
    """The end of what a process printed, as one line; empty if that is nothing."""
    return " | ".join([line for line in output.splitlines() if line.strip()][-LINES_SHOWN:])
