"""From a study in the database to one row per finished trial."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stability_sweep.results.outcome import LOSS_FIELDS, Outcome
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

NEVER = "never_measured"
"""A column of the frame: bit n says that the trial has no value of the n-th of `LOSS_FIELDS`, which is NaN then."""


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
    """The records as a frame of plain columns, to calculate with.

    A loss that was never measured is NaN here too, as is one that *was* NaN; the column `NEVER` tells the two apart,
    and `with_gaps` shows them.
    """
    found = repository.trial_columns(study, RESULT_COLUMNS)
    never = _never_measured(found)
    for name in study.definition.search_space:
        if None in found[name]:  # pandas reads NaN as a gap among numbers of any type, None only among floats
            found[name] = [math.nan if value is None else value for value in found[name]]
    kind = None if found["number"] else object  # of no values at all, pandas would make float64
    return _typed(pd.DataFrame({name: found[name] for name in columns(study)}, dtype=kind), never)


def frame_of(records: Sequence[dict[str, Any]], names: Sequence[str]) -> pd.DataFrame:
    """A frame with the types that the analysis relies on, also when there are no records."""
    never = _never_measured({name: [record.get(name) for record in records] for name in LOSS_FIELDS})
    return _typed(pd.DataFrame.from_records(records, columns=list(names)), never)


def with_gaps(frame: pd.DataFrame) -> pd.DataFrame:
    """The trials as they are shown and written: None where a loss was never measured, NaN where it was NaN."""
    if NEVER not in frame:
        return frame
    never = frame[NEVER].to_numpy()
    gaps = {name: (never >> place) & 1 for place, name in enumerate(LOSS_FIELDS)}
    shown = {
        name: pd.Series(
            [None if gap else value for gap, value in zip(gaps[name], frame[name].tolist(), strict=True)],
            index=frame.index,
            dtype=object,
        )
        for name in LOSS_FIELDS
    }
    return frame.drop(columns=NEVER).assign(**shown)


def _never_measured(found: Mapping[str, Sequence[Any]]) -> npt.NDArray[np.uint8]:
    """The bits of `NEVER`, (trials,)."""
    gaps = np.array([[value is None for value in found[name]] for name in LOSS_FIELDS], dtype=np.uint8)
    bits = np.left_shift(1, np.arange(len(LOSS_FIELDS)))
    return np.asarray(bits @ gaps, dtype=np.uint8)


def _typed(frame: pd.DataFrame, never: npt.NDArray[np.uint8]) -> pd.DataFrame:
    floats = dict.fromkeys((*LOSS_FIELDS, "wall_seconds"), "float64")
    integers = dict.fromkeys(("divergence_step", "steps", "horizon", "spikes"), "Int64")
    return frame.astype({**floats, **integers}).assign(**{NEVER: never})


def counted(frame: pd.DataFrame) -> pd.DataFrame:
    """The trials that say something about stability: all but the failed ones."""
    return frame[frame["outcome"] != Outcome.FAILED.value]
