"""What `run` and `worker` show while trials run: a live display on a terminal, plain lines anywhere else.

Everything goes to standard error; standard output is for results.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from stability_sweep.results.outcome import Outcome, TrialResult
from stability_sweep.space.dimensions import Point
from stability_sweep.terminal.trial import describe_point, describe_result
from stability_sweep.text import printable

if TYPE_CHECKING:
    from stability_sweep.engine import Progress as TrainingProgress
    from stability_sweep.storage import StudySummary
    from stability_sweep.workers import SweepObserver

COLORS = {
    Outcome.STABLE: "green",
    Outcome.STALLED: "bright_black",
    Outcome.EXPLODED: "yellow",
    Outcome.DIVERGED: "red",
    Outcome.FAILED: "magenta",
}


@contextmanager
def watching(summary: StudySummary) -> Iterator[SweepObserver]:
    """An observer that shows a study's progress, starting from what is done already."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _Deaf(_Lines(console, summary))
        return
    display = LiveDisplay(console, summary)
    with display.progress:
        yield _Deaf(display)


class _Deaf:
    """An observer to whom it does not matter whether anybody still looks: a closed terminal fails no trial."""

    def __init__(self, observer: SweepObserver) -> None:
        self._observer = observer

    def trial_progressed(self, number: int, point: Point, progress: TrainingProgress) -> None:
        with suppress(OSError):
            self._observer.trial_progressed(number, point, progress)

    def trial_finished(self, number: int, point: Point, result: TrialResult) -> None:
        with suppress(OSError):
            self._observer.trial_finished(number, point, result)


class _Lines:
    """One plain line per finished trial."""

    def __init__(self, console: Console, summary: StudySummary) -> None:
        self._console = console
        self._finished = summary.finished
        self._budget = summary.budget

    def trial_progressed(self, number: int, point: Point, progress: TrainingProgress) -> None:
        pass

    def trial_finished(self, number: int, point: Point, result: TrialResult) -> None:
        self._finished += 1
        self._console.print(
            printable(
                f"[{self._finished}/{self._budget}] trial {number}  {describe_result(result)}  "
                f"{describe_point(point)}  {result.wall_seconds:.1f} s"
            ),
            markup=False,
            soft_wrap=True,
        )


class LiveDisplay:
    """A bar for the study, one for the trial of this process, and a line per finished trial above them."""

    def __init__(self, console: Console, summary: StudySummary) -> None:
        self._counts = dict(summary.outcomes)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._study = self.progress.add_task(self._tally(), total=summary.budget, completed=summary.finished)
        self._trial = self.progress.add_task("", visible=False)
        self._number: int | None = None

    def trial_progressed(self, number: int, point: Point, progress: TrainingProgress) -> None:
        """The trial's bar moves; another trial begins it anew."""
        if number != self._number:
            self._number = number
            self.progress.reset(self._trial)
        self.progress.update(
            self._trial,
            description=f"trial {number}  loss {progress.loss:.4g}",
            completed=progress.step,
            total=progress.horizon,
            visible=True,
        )

    def trial_finished(self, number: int, point: Point, result: TrialResult) -> None:
        """A line above the bars, and the study's bar moves."""
        self._counts[result.outcome.value] += 1
        self.progress.console.print(
            f"trial {number:>4}  [{COLORS[result.outcome]}]{escape(printable(describe_result(result)))}[/]  "
            f"[bright_black]{escape(printable(describe_point(point)))}[/]"
        )
        self.progress.update(self._study, description=self._tally(), advance=1)
        self.progress.update(self._trial, visible=False)

    def _tally(self) -> str:
        return "  ".join(
            f"[{color}]{self._counts[outcome.value]} {outcome.value}[/]"
            for outcome, color in COLORS.items()
            if self._counts[outcome.value]
        )
