"""From a study in the database to one row per finished trial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from stability_sweep.outcome import LOSS_FIELDS, Outcome
from stability_sweep.storage import Repository, StoredStudy

RESULT_COLUMNS = (
    "seed",
    "outcome",
    "divergence_step",
    "divergence_signal",
    "divergence_origin",
    "divergence_cause",
    "steps",
    "horizon",
    *LOSS_FIELDS,
    "spikes",
    "wall_seconds",
    "failure",
    "worker",
    "device",
    "threads",
    "torch_version",
    "cpu",
)
"""Columns after the trial's number and its dimensions."""


def trial_records(repository: Repository, study: StoredStudy) -> list[dict[str, Any]]:
    """One record per finished trial, in the order of their numbers.

    "off" is infinity; None means "never measured" (or, for a dimension, that another program made the trial without
    it), and a loss that is NaN is NaN.
    """
    found = repository.trial_columns(study, RESULT_COLUMNS)
    names = columns(study)
    return [dict(zip(names, values, strict=True)) for values in zip(*(found[name] for name in names), strict=True)]


def columns(study: StoredStudy) -> list[str]:
    """The columns of a study's records and frame, in order."""
    return ["number", *study.definition.search_space, *RESULT_COLUMNS]


def study_frame(repository: Repository, study: StoredStudy) -> pd.DataFrame:
    """The records as a frame. A loss that was never measured is NaN here too; `outcome` tells the two apart."""
    found = repository.trial_columns(study, RESULT_COLUMNS)
    for name in study.definition.search_space:
        if None in found[name]:  # pandas reads NaN as a gap among numbers of any type, None only among floats
            found[name] = [math.nan if value is None else value for value in found[name]]
    kind = None if found["number"] else object  # of no values at all, pandas would make float64
    return _typed(pd.DataFrame({name: found[name] for name in columns(study)}, dtype=kind))


def frame_of(records: Sequence[dict[str, Any]], names: Sequence[str]) -> pd.DataFrame:
    """A frame with the types that the analysis relies on, also when there are no records."""
    return _typed(pd.DataFrame.from_records(records, columns=list(names)))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    floats = dict.fromkeys((*LOSS_FIELDS, "wall_seconds"), "float64")
    integers = dict.fromkeys(("divergence_step", "steps", "horizon", "spikes"), "Int64")
    return frame.astype({**floats, **integers})


def counted(frame: pd.DataFrame) -> pd.DataFrame:
    """The trials that say something about stability: all but the failed ones."""
    return frame[frame["outcome"] != Outcome.FAILED.value]
