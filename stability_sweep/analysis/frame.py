"""From a study in the database to one row per finished trial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from stability_sweep.outcome import LOSS_FIELDS, Outcome
from stability_sweep.sampling.points import point_of
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

    "off" is infinity; None means "never measured", and a loss that is NaN is NaN.
    """
    trials = repository.database.optuna_storage.get_all_trials(study.study_id, deepcopy=False)
    params = {trial._trial_id: trial.params for trial in trials}
    records = []
    for stored in repository.results(study):
        result, divergence = stored.result, stored.result.divergence
        records.append(
            {
                "number": stored.number,
                **point_of(params[stored.trial_id], study.definition),
                "seed": result.seed,
                "outcome": result.outcome.value,
                "divergence_step": divergence and divergence.step,
                "divergence_signal": divergence and divergence.signal.value,
                "divergence_origin": divergence and divergence.origin,
                "divergence_cause": divergence and divergence.cause and divergence.cause.value,
                "steps": result.steps,
                "horizon": result.horizon,
                **{name: getattr(result, name) for name in LOSS_FIELDS},
                "spikes": result.spikes,
                "wall_seconds": result.wall_seconds,
                "failure": result.failure,
                "worker": stored.provenance.worker,
                "device": stored.provenance.device,
                "threads": stored.provenance.threads,
                "torch_version": stored.provenance.torch_version,
                "cpu": stored.provenance.cpu,
            }
        )
    return records


def columns(study: StoredStudy) -> list[str]:
    """The columns of a study's records and frame, in order."""
    return ["number", *study.definition.search_space, *RESULT_COLUMNS]


def study_frame(repository: Repository, study: StoredStudy) -> pd.DataFrame:
    """The records as a frame. A loss that was never measured is NaN here too; `outcome` tells the two apart."""
    return frame_of(trial_records(repository, study), columns(study))


def frame_of(records: Sequence[dict[str, Any]], names: Sequence[str]) -> pd.DataFrame:
    """A frame with the types that the analysis relies on, also when there are no records."""
    frame = pd.DataFrame.from_records(records, columns=list(names))
    floats = dict.fromkeys((*LOSS_FIELDS, "wall_seconds"), "float64")
    integers = dict.fromkeys(("divergence_step", "steps", "horizon", "spikes"), "Int64")
    return frame.astype({**floats, **integers})


def counted(frame: pd.DataFrame) -> pd.DataFrame:
    """The trials that say something about stability: all but the failed ones."""
    return frame[frame["outcome"] != Outcome.FAILED.value]
