"""The fast way from a study to its frame, beside a slow and plain one: Optuna's own trials, one object per result."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, distribution_to_json
from sqlalchemy import text

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.report.files.csv_file import csv_bytes
from stability_sweep.report.files.parquet_file import parquet_bytes
from stability_sweep.results.outcome import LOSS_FIELDS, Divergence, Outcome, Symptom, TrialResult
from stability_sweep.sources.frame import column_names, frame_of, study_frame, trial_records
from stability_sweep.space.dimensions import Choices
from stability_sweep.storage import Database, Repository, StoredStudy
from stability_sweep.storage.bulk import _decoder
from stability_sweep.targets.rhvae import causes
from tests.conftest import PROVENANCE, StudyBuilder, make_definition, make_result
from tests.studies import LARGE_STUDY, build_large_study, divergence_probability

TRIALS = 12

ALL_KINDS: dict[str, Any] = {
    "learning_rate": {"low": 1e-7, "high": 1e-1, "log": True},
    "batch_size": {"low": 16, "high": 64, "log": True},
    "clip_norm": {"low": 0.1, "high": 1000.0, "log": True, "off_share": 0.5},
    "model.n_lf": [1, 3],
    "model.eps_lf": {"low": 1e-3, "high": 1e-2},
    "training.optimizer": ["adam", "sgd"],
}


def slow_records(repository: Repository, study: StoredStudy) -> list[dict[str, Any]]:
    """What `trial_records` is to give, by Optuna's and our own value objects."""
    trials = repository.database.optuna_storage.get_all_trials(study.study_id, deepcopy=False)
    params = {trial._trial_id: trial.params for trial in trials}
    return [
        {
            "number": stored.number,
            **study.definition.space.point_of(params[stored.trial_id]),
            "seed": stored.result.seed,
            "outcome": stored.result.outcome.value,
            "divergence_step": stored.result.divergence and stored.result.divergence.step,
            "divergence_signal": stored.result.divergence and stored.result.divergence.symptom.value,
            "divergence_origin": stored.result.divergence and stored.result.divergence.origin,
            "divergence_cause": stored.result.divergence and stored.result.divergence.cause,
            "steps": stored.result.steps,
            "horizon": stored.result.horizon,
            **{name: getattr(stored.result, name) for name in LOSS_FIELDS},
            "spikes": stored.result.spikes,
            "wall_seconds": stored.result.wall_seconds,
            "failure": stored.result.failure,
            **{name: getattr(stored.provenance, name) for name in ("worker", "device", "threads")},
            "torch_version": stored.provenance.torch_version,
            "cpu": stored.provenance.cpu,
        }
        for stored in repository.results(study)
    ]


def check_against_the_slow_way(repository: Repository, study: StoredStudy) -> pd.DataFrame:
    records, names = slow_records(repository, study), column_names(study.definition.search_space)
    found, frame = trial_records(repository, study), study_frame(repository, study)
    complete = [{**dict.fromkeys(names), **record} for record in records]
    assert repr(found) == repr(complete)  # repr: NaN is not equal to itself, and 1, 1.0 and True are to each other
    pd.testing.assert_frame_equal(frame, frame_of(records, names), check_exact=True)
    assert csv_bytes(found, names) == csv_bytes(records, names)
    assert parquet_bytes(found, names) == parquet_bytes(complete, names)
    return frame


def results_of_every_kind() -> Iterator[TrialResult]:
    kinds = [
        make_result(first_loss=1.7976931348623157e308, best_loss=5e-324, max_loss=math.inf, validation_loss=-math.inf),
        make_result(first_loss=0.0, final_loss=0.1 + 0.2, validation_loss=math.nan, spikes=3, spike_height=math.inf),
        make_result(Outcome.DIVERGED, divergence=Divergence(step=3, symptom=Symptom.INF_GRADIENT), seed=2**32 - 1),
        make_result(
            Outcome.DIVERGED,
            divergence=Divergence(step=3, symptom=Symptom.NAN_LOSS, origin="latent[2]", cause=causes.EXPLODING_LATENT),
        ),
        make_result(Outcome.FAILED, failure="RuntimeError: 'quotes', \"more\", ünicode,\n100 %"),
        make_result(Outcome.STALLED),
    ]
    while True:
        yield from kinds


def definition_with(space: dict[str, Any], **overrides: Any) -> StudyDefinition:
    space = {"batch_size": [16, 64], **space}
    return make_definition(search_space=space, budget={"trials": TRIALS}, **overrides)


DEFINITIONS = {
    "ranges and choices": definition_with(ALL_KINDS),
    "choices with off": definition_with({"clip_norm": [1, 2.5, "off"]}),
    "whole choices with off": definition_with({"clip_norm": [1, 10, "off"]}),
    "one choice": definition_with({"batch_size": 32, "clip_norm": "off"}),
    "an int range on a linear axis": definition_with({"batch_size": {"low": 16, "high": 64}}),
    "grid": definition_with({**ALL_KINDS, "batch_size": [16, 64]}, sampler={"name": "grid", "grid_levels": 3}),
    "qmc": definition_with(ALL_KINDS, sampler={"name": "qmc"}),
}


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=DEFINITIONS)
def test_every_kind_of_dimension_and_number_is_read_as_the_slow_way_reads_it(
    repository: Repository, finished_study: StudyBuilder, definition: StudyDefinition
) -> None:
    results = results_of_every_kind()
    study = finished_study(lambda point: next(results), trials=TRIALS, definition=definition)
    frame = check_against_the_slow_way(repository, study)
    assert frame["number"].tolist() == list(range(TRIALS))


@pytest.mark.parametrize("outcome", [Outcome.STABLE, Outcome.FAILED])
def test_columns_that_nothing_was_measured_for_have_the_same_types(
    repository: Repository, finished_study: StudyBuilder, outcome: Outcome
) -> None:
    check_against_the_slow_way(repository, finished_study(lambda point: make_result(outcome), trials=3))


def test_a_study_without_results_is_an_empty_frame_of_the_same_types(repository: Repository) -> None:
    study = repository.create_study(make_definition(), "digits")
    assert check_against_the_slow_way(repository, study).empty


def test_the_same_on_every_database(storage_url: str) -> None:
    build_large_study(storage_url, 250, seed=1)
    database = Database.open(storage_url)
    repository = Repository(database)
    check_against_the_slow_way(repository, repository.get_study(LARGE_STUDY))
    database.close()


def add_result(repository: Repository, study: StoredStudy, params: dict[str, Any]) -> int:
    """A result of a trial that has only these of its parameters; return the trial's id."""
    trial = optuna.load_study(study_name=study.name, storage=repository.database.optuna_storage).ask()
    for name, (low, high) in params.items():
        trial.suggest_float(name, low, high)
    repository.save_result(study, trial._trial_id, trial.number, make_result(), PROVENANCE)
    return trial._trial_id


def test_missing_parameters_are_gaps_and_foreign_ones_are_ignored(
    repository: Repository, finished_study: StudyBuilder
) -> None:
    definition = definition_with(ALL_KINDS)
    study = finished_study(lambda point: make_result(), trials=4, definition=definition)
    add_result(repository, study, {})
    add_result(repository, study, {"model.eps_lf": (1e-3, 1e-2), "foreign": (0, 1)})
    frame = check_against_the_slow_way(repository, study)
    assert frame["learning_rate"].isna().tolist() == [False] * 4 + [True] * 2
    assert frame["model.eps_lf"].isna().tolist() == [False] * 4 + [True, False]
    assert "foreign" not in frame


@pytest.mark.parametrize("choices", [(True, False), ("adam", 2, 0.5, True, "off"), (1, 2)])
def test_choices_of_every_type_keep_it(choices: tuple[Any, ...]) -> None:
    dimension = Choices(choices=choices)
    decode = _decoder(dimension, distribution_to_json(CategoricalDistribution(choices)))
    found = [decode(float(index)) for index in range(len(choices))]
    assert repr(found) == repr([dimension.decode(choice) for choice in choices])


def test_a_study_none_of_whose_trials_has_a_point_can_be_read(repository: Repository) -> None:
    study = repository.create_study(make_definition(), "digits")
    add_result(repository, study, {})
    assert check_against_the_slow_way(repository, study)["learning_rate"].isna().all()


def test_other_studies_open_trials_and_deleted_trials_are_left_out(
    repository: Repository, finished_study: StudyBuilder
) -> None:
    other = repository.create_study(make_definition(name="other"), "digits")
    add_result(repository, other, {})
    study = finished_study(lambda point: make_result(), trials=4)
    optuna.load_study(study_name=study.name, storage=repository.database.optuna_storage).ask()
    with repository.database.session() as session:
        deleted = repository.trial(study, 1).trial_id
        for table in ("trial_params", "trial_values", "trial_system_attributes", "trials"):
            session.execute(text(f"DELETE FROM {table} WHERE trial_id = {deleted}"))
    assert check_against_the_slow_way(repository, study)["number"].tolist() == [0, 2, 3]


def test_results_come_in_the_order_of_the_numbers_however_they_were_saved(repository: Repository) -> None:
    study = repository.create_study(make_definition(), "digits")
    loaded = optuna.load_study(study_name=study.name, storage=repository.database.optuna_storage)
    trials = [loaded.ask() for _ in range(5)]
    for trial in reversed(trials):
        repository.save_result(study, trial._trial_id, trial.number, make_result(seed=trial.number), PROVENANCE)
    frame = check_against_the_slow_way(repository, study)
    assert frame["seed"].tolist() == [0, 1, 2, 3, 4]


def test_a_large_study_follows_its_truth(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    build_large_study(url, 4000, seed=2)
    database = Database.open(url)
    repository = Repository(database)
    study = repository.get_study(LARGE_STUDY)
    frame = study_frame(repository, study)
    database.close()
    counted = frame[frame["outcome"] != "failed"]
    p = divergence_probability(*(counted[name].to_numpy(float) for name in study.definition.search_space))
    diverged = (counted["outcome"] == "diverged").to_numpy()
    for low, high in ((0, 0.05), (0.05, 0.5), (0.5, 0.95), (0.95, 1.01)):
        inside = (p >= low) & (p < high)
        expected, spread = p[inside].sum(), math.sqrt((p * (1 - p))[inside].sum())
        assert (
            abs(diverged[inside].sum() - expected) < 4 * spread + 1
        )  # four standard deviations, and the seed is fixed
    assert set(frame["outcome"]) == {outcome.value for outcome in Outcome}
    steps = frame.loc[frame["outcome"] == "diverged", "divergence_step"].to_numpy(float)
    assert np.median(steps) == pytest.approx(400 / 5 * math.log(2), rel=0.1)  # of an exponential distribution
