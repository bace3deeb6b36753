"""Following a study until it ends, from a process that does not work on it."""

from __future__ import annotations

from collections.abc import Callable

from stability_sweep.storage import Repository, StoredStudy
from stability_sweep.workers.ending import is_over
from stability_sweep.workers.stopping import StopRequest


def follow(
    repository: Repository,
    study: StoredStudy,
    look: Callable[[bool], None],
    *,
    every_seconds: float,
    stop: StopRequest,
) -> None:
    """Look at a study again and again, the last time when it has ended.

    Args:
        repository: where the study lives.
        study: the study.
        look: called every time; takes whether the study has ended, so that this is the last look.
        every_seconds: the pause between two looks.
        stop: when a stop is requested, nobody looks any more.
    """
    while not stop.requested:
        has_ended = is_over(repository, study)
        look(has_ended)
        if has_ended:
            return
        stop.wait(every_seconds)
