"""One row per finished trial: the table that analysis works on, and how one is made from a study in our database."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from stability_sweep.results import columns
from stability_sweep.results.outcome import LOSS_FIELDS, Outcome

if TYPE_CHECKING:  # a frame can be made of anything, and is read without a database
    from stability_sweep.storage import Repository, StoredStudy

RESULT_COLUMNS = (
    columns.SEED,
    columns.OUTCOME,
    columns.DIVERGENCE_STEP,
    columns.DIVERGENCE_SYMPTOM,
    columns.DIVERGENCE_ORIGIN,
    columns.DIVERGENCE_CAUSE,
    columns.STEPS,
    columns.HORIZON,
    *LOSS_FIELDS,
    columns.SPIKES,
    columns.WALL_SECONDS,
    columns.FAILURE,
    columns.WORKER,
    columns.DEVICE,
    columns.THREADS,
    columns.TORCH_VERSION,
    columns.CPU,
)
"""Columns after the trial's number and its dimensions."""


def trial_records(repository: Repository, study: StoredStudy) -> list[dict[str, Any]]:
    """One record per finished trial, in the order of their numbers.

    "off" is infinity; None means "never measured" (or, for a dimension, that another program made the trial without
    it), and a loss that is NaN is NaN.
    """
    found = repository.trial_columns(study, RESULT_COLUMNS)
    names = column_names(study.definition.search_space)
    return [dict(zip(names, values, strict=True)) for values in zip(*(found[name] for name in names), strict=True)]


def column_names(dimensions: Iterable[str]) -> list[str]:
    """The columns of the records and the frame of a study with these dimensions, in order."""
    return [columns.NUMBER, *dimensions, *RESULT_COLUMNS]


def study_frame(repository: Repository, study: StoredStudy) -> pd.DataFrame:
    """The records as a frame of plain columns, to calculate with.

    A loss that was never measured is NaN here too, as is one that *was* NaN; the column
    `columns.NEVER_MEASURED` tells the two apart, and `with_gaps` shows them.
    """
    found = repository.trial_columns(study, RESULT_COLUMNS)
    never, names = _never_measured(found), column_names(study.definition.search_space)
    for name in study.definition.search_space:
        if None in found[name]:  # pandas reads NaN as a gap among numbers of any type, None only among floats
            found[name] = [math.nan if value is None else value for value in found[name]]
    kind = None if found[columns.NUMBER] else object  # of no values at all, pandas would make float64
    return _typed(pd.DataFrame({name: found[name] for name in names}, dtype=kind), never)


def frame_of(records: Sequence[dict[str, Any]], names: Sequence[str]) -> pd.DataFrame:
    """A frame with the types that the analysis relies on, also when there are no records.

    Args:
        records: one per finished trial, in the order of their numbers; what a record lacks was never measured.
        names: the columns, from `column_names`.
    """
    never = _never_measured({name: [record.get(name) for record in records] for name in LOSS_FIELDS})
    return _typed(pd.DataFrame.from_records(records, columns=list(names)), never)


def with_gaps(frame: pd.DataFrame) -> pd.DataFrame:
    """The trials as they are shown and written: None where a loss was never measured, NaN where it was NaN."""
    if columns.NEVER_MEASURED not in frame:
        return frame
    never = frame[columns.NEVER_MEASURED].to_numpy()
    gaps = {name: (never >> bit) & 1 for bit, name in enumerate(LOSS_FIELDS)}
    shown = {
        name: pd.Series(
            [None if gap else value for gap, value in zip(gaps[name], frame[name].tolist(), strict=True)],
            index=frame.index,
            dtype=object,
        )
        for name in LOSS_FIELDS
    }
    return frame.drop(columns=columns.NEVER_MEASURED).assign(**shown)


def was_measured(frame: pd.DataFrame, name: str) -> pd.Series[bool]:
    """Which trials have a value of one of `LOSS_FIELDS`, NaN among them; in a frame of others, those that are not NaN.

    Args:
        frame: trials.
        name: a column of theirs.
    """
    if columns.NEVER_MEASURED not in frame:
        return frame[name].notna()
    bits = frame[columns.NEVER_MEASURED].to_numpy(np.int64)
    return pd.Series((bits >> LOSS_FIELDS.index(name)) % 2 == 0, index=frame.index)


def _never_measured(found: Mapping[str, Sequence[Any]]) -> npt.NDArray[np.uint8]:
    """The bits of `columns.NEVER_MEASURED`, (trials,)."""
    gaps = np.array([[value is None for value in found[name]] for name in LOSS_FIELDS], dtype=np.uint8)
    bits = np.left_shift(1, np.arange(len(LOSS_FIELDS)))
    return np.asarray(bits @ gaps, dtype=np.uint8)


def _typed(frame: pd.DataFrame, never: npt.NDArray[np.uint8]) -> pd.DataFrame:
    floats = dict.fromkeys((*LOSS_FIELDS, columns.WALL_SECONDS), "float64")
    integers = dict.fromkeys((columns.DIVERGENCE_STEP, columns.STEPS, columns.HORIZON, columns.SPIKES), "Int64")
    return frame.astype({**floats, **integers}).assign(**{columns.NEVER_MEASURED: never})


def counted(frame: pd.DataFrame) -> pd.DataFrame:
    """The trials that say something about stability: all but the failed ones."""
    return frame[frame[columns.OUTCOME] != Outcome.FAILED.value]
