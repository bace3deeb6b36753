"""What a running study tells whoever watches."""

from __future__ import annotations

from typing import Protocol

from stability_sweep.engine import Progress
from stability_sweep.results.outcome import TrialResult
from stability_sweep.space.dimensions import Point


class SweepObserver(Protocol):
    """Told about trials as they happen; must return quickly."""

    def trial_progressed(self, number: int, point: Point, progress: Progress) -> None:
        """A trial of this process made a step (told a few times per second at most)."""
        ...

    def trial_finished(self, number: int, point: Point, result: TrialResult) -> None:
        """A trial has an outcome, and the database knows it."""
        ...


class SilentObserver:
    """Watches and says nothing."""

    def trial_progressed(self, number: int, point: Point, progress: Progress) -> None:
        """Ignore it."""

    def trial_finished(self, number: int, point: Point, result: TrialResult) -> None:
        """Ignore it."""
