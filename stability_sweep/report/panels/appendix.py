"""The appendix: exact counts of outcomes, and where the trials ran."""

from __future__ import annotations

import pandas as pd

from stability_sweep.report.blocks import Column, Exhibit, Table
from stability_sweep.results import columns

MOST_WORKERS = 40

OUTCOMES = (Column(columns.OUTCOME, "outcome"), Column(columns.TRIALS, "trials"))
WORKERS = (
    Column(columns.WORKER, "worker"),
    Column(columns.DEVICE, "device"),
    Column(columns.THREADS, "threads"),
    Column(columns.TORCH_VERSION, "torch"),
    Column(columns.TRIALS, "trials"),
)


def appendix(frame: pd.DataFrame) -> list[Exhibit]:
    """Outcomes, failed trials included, and workers; nothing without trials."""
    if frame.empty:
        return []
    outcomes = frame[columns.OUTCOME].value_counts().rename_axis(columns.OUTCOME).reset_index(name=columns.TRIALS)
    where = [columns.WORKER, columns.DEVICE, columns.THREADS, columns.TORCH_VERSION]
    workers = frame.groupby(where, dropna=False).size().rename(columns.TRIALS).reset_index()
    return [
        Exhibit("Outcomes", "Exact counts.", table=Table.of(outcomes, OUTCOMES)),
        Exhibit("Workers", f"{len(workers)} in all.", table=Table.of(workers.head(MOST_WORKERS), WORKERS)),
    ]
