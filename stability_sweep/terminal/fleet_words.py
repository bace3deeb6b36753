"""Who works on a study, as scripts and people read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stability_sweep.storage.records import StudySummary, WorkerStatus


def summary_json(summary: StudySummary) -> dict[str, Any]:
    """How far a study is, as `status` and `list` print it."""
    return {**asdict(summary), "workers": [worker_json(worker) for worker in summary.workers]}


def worker_json(worker: WorkerStatus) -> dict[str, Any]:
    """A worker with all its trials; ``trial`` is the first of them, or null."""
    return {
        "host": worker.host,
        "process_id": worker.process_id,
        "device": worker.device,
        "trial": worker.trials[0] if worker.trials else None,
        "trials": worker.trials,
        "last_seen_seconds": worker.last_seen_seconds,
        "alive": worker.alive,
    }


def work_in_words(trials: Sequence[int]) -> str:
    """``no trial``, ``trial 3``, ``trials 3, 4 and 5``."""
    if len(trials) < 2:
        return f"trial {trials[0]}" if trials else "no trial"
    return f"trials {', '.join(map(str, trials[:-1]))} and {trials[-1]}"
