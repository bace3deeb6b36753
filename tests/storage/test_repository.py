"""One contract for every database: run on real SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator

import numpy as np
import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from stability_sweep.errors import StudyError
from stability_sweep.results.autopsy import Autopsy, ProbedTensor
from stability_sweep.results.outcome import Divergence, Outcome, Symptom, TrialResult
from stability_sweep.results.telemetry import Telemetry
from stability_sweep.storage import Database, Repository, StoredStudy, bulk
from stability_sweep.storage.schema import decode_number, encode_number
from stability_sweep.storage.trial_holds import TrialHolds
from stability_sweep.storage.workers import Workers
from stability_sweep.targets.rhvae import causes
from stability_sweep.targets.rhvae.signals import SIGNALS
from tests.conftest import PROVENANCE, make_definition, make_result, plain_optuna_storage


@pytest.fixture
def anywhere(storage_url: str) -> Iterator[Repository]:
    """A repository in an empty database of each kind."""
    database = Database.open(storage_url, create=True)
    yield Repository(database)
    database.close()


def ask(repository: Repository, study: StoredStudy) -> optuna.Trial:
    return optuna.load_study(study_name=study.name, storage=repository.database.optuna_storage).ask()


def save(repository: Repository, study: StoredStudy, result: TrialResult) -> None:
    trial = ask(repository, study)
    repository.save_result(study, trial._trial_id, trial.number, result, PROVENANCE)


def at_once(work: Callable[[], None]) -> None:
    """Do the same in four threads, each with whatever connections it opens itself."""
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


EXTREME_RESULTS = [
    make_result(first_loss=1.7976931348623157e308, best_loss=5e-324, max_loss=math.inf, validation_loss=-math.inf),
    make_result(first_loss=0.0, final_loss=0.1 + 0.2, validation_loss=math.nan),
    make_result(Outcome.DIVERGED, divergence=Divergence(step=3, symptom=Symptom.INF_GRADIENT), seed=2**32 - 1),
    make_result(
        Outcome.DIVERGED,
        divergence=Divergence(
            step=3, symptom=Symptom.NAN_LOSS, origin="gradient of metric.inverse[2]", cause=causes.NON_FINITE_GRADIENT
        ),
        spikes=3,
        spike_height=math.inf,
    ),
    make_result(Outcome.FAILED, failure="RuntimeError: 'quotes', ünicode, 100 %"),
]


def test_a_study_is_found_again_with_its_definition(anywhere: Repository) -> None:
    definition = make_definition(description="ünïcode × 100 %")
    assert anywhere.find_study("small") is None
    created = anywhere.create_study(definition, "digits")
    assert anywhere.get_study("small") == created
    assert created.definition == definition
    assert created.dataset == "digits"
    assert created.budget_trials == 4
    assert anywhere.study_names() == ["small"]


def test_every_kind_of_number_survives(anywhere: Repository) -> None:
    study = anywhere.create_study(make_definition(), "digits")
    for result in EXTREME_RESULTS:
        save(anywhere, study, result)
    stored = anywhere.results(study)
    assert [s.number for s in stored] == list(range(len(EXTREME_RESULTS)))
    assert all(s.provenance == PROVENANCE for s in stored)
    assert repr([s.result for s in stored]) == repr(EXTREME_RESULTS)  # repr: NaN is not equal to itself


def test_telemetry_and_autopsy_survive_with_every_kind_of_number(anywhere: Repository) -> None:
    study = anywhere.create_study(make_definition(), "digits")
    trial = ask(anywhere, study)
    extremes = [math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, -0.0, 0.1]
    generator = np.random.default_rng(0)
    values = generator.choice(extremes, (20_000, len(SIGNALS)))  # more than a MySQL BLOB of the smallest kind holds
    values[:, 0] = generator.standard_normal(len(values))
    telemetry = Telemetry(np.arange(1, len(values) + 1), values, tuple(SIGNALS))
    assert len(telemetry.to_bytes()) > 2**16
    probe = ProbedTensor(name="latent[1]", shape=(16, 2), smallest=5e-324, largest=1.7976931348623157e308, nan=1)
    autopsy = Autopsy(step=3, cause=causes.EXPLODING_LATENT, origin="latent[1]", largest_finite=3.4e38, trail=(probe,))
    anywhere.save_telemetry(trial._trial_id, Telemetry(telemetry.steps[:3], values[:3], tuple(SIGNALS)))
    anywhere.save_result(
        study, trial._trial_id, 0, make_result(), PROVENANCE,
        telemetry=telemetry.to_bytes(), autopsy=autopsy.to_bytes(),
    )  # fmt: skip
    stored = anywhere.telemetry(trial._trial_id)
    assert stored is not None
    assert stored.same_bits(telemetry)
    assert anywhere.autopsy(trial._trial_id) == autopsy
    ((result, again),) = anywhere.telemetries(study)
    assert result.number == 0
    assert again.same_bits(telemetry)
    other = ask(anywhere, study)
    assert anywhere.telemetry(other._trial_id) is None
    assert anywhere.autopsy(other._trial_id) is None


def save_measured(repository: Repository, study: StoredStudy, outcomes: list[Outcome]) -> list[int]:
    """Trials with these outcomes, with telemetry (one step, its loss the trial's number) and autopsy; their ids."""
    ids = []
    for number, outcome in enumerate(outcomes):
        trial = ask(repository, study)
        values = np.full((1, len(SIGNALS)), float(number))
        telemetry = Telemetry(np.array([1]), values, tuple(SIGNALS)).to_bytes()
        autopsy = Autopsy(step=number + 1, cause=causes.LOSS_OVERFLOW, origin="loss", largest_finite=3.4e38).to_bytes()
        repository.save_result(
            study, trial._trial_id, number, make_result(outcome), PROVENANCE, telemetry=telemetry, autopsy=autopsy
        )
        ids.append(trial._trial_id)
    return ids


def test_telemetry_and_autopsies_of_listed_trials_come_in_the_order_asked(
    anywhere: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOST_IN_A_LIST", 2)  # three statements
    study = anywhere.create_study(make_definition(), "digits")
    ids = save_measured(anywhere, study, [Outcome.DIVERGED] * 5)
    bare = ask(anywhere, study)._trial_id
    asked = np.array([ids[3], ids[0], bare, ids[4], ids[1]])
    telemetries = list(anywhere.telemetries_of(asked))
    assert [trial_id for trial_id, _ in telemetries] == [ids[n] for n in (3, 0, 4, 1)]
    assert [telemetry.signal("loss")[0] for _, telemetry in telemetries] == [3, 0, 4, 1]
    assert [(trial_id, autopsy.step) for trial_id, autopsy in anywhere.autopsies_of(asked)] == [
        (ids[n], n + 1) for n in (3, 0, 4, 1)
    ]
    assert list(anywhere.telemetries_of([])) == []
    assert list(anywhere.autopsies_of([bare])) == []


def test_trials_are_found_by_their_numbers_in_their_study_alone(
    anywhere: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOST_IN_A_LIST", 2)
    study = anywhere.create_study(make_definition(), "digits")
    other = anywhere.create_study(make_definition(name="other"), "digits")
    ids: dict[str, list[int]] = {study.name: [], other.name: []}
    for _ in range(3):
        for one in (other, study):
            ids[one.name].append(ask(anywhere, one)._trial_id)
    assert anywhere.trial_ids(study, [2, 0, 7, 1]) == dict(enumerate(ids["small"]))
    assert anywhere.trial_ids(other, np.arange(3)) == dict(enumerate(ids["other"]))
    assert anywhere.trial_ids(study, []) == {}


def test_capped_telemetry_is_spread_evenly_over_stable_and_diverged_trials(anywhere: Repository) -> None:
    study = anywhere.create_study(make_definition(), "digits")
    outcomes = [Outcome.DIVERGED if n % 3 == 0 else Outcome.STALLED if n == 1 else Outcome.STABLE for n in range(30)]
    save_measured(anywhere, study, outcomes)
    save(anywhere, study, make_result())  # without telemetry: it takes nobody's place

    def chosen(most: int | None) -> list[int]:
        return [stored.number for stored, _ in anywhere.telemetries(study, most_per_outcome=most)]

    assert chosen(None) == list(range(30))
    assert chosen(1000) == [n for n in range(30) if n != 1]
    for most in (1, 2, 5, 9):
        numbers = chosen(most)
        assert numbers == sorted(numbers)
        for outcome, members in ((Outcome.DIVERGED, 10), (Outcome.STABLE, 19)):
            ranks = [n for n, m in enumerate(m for m in range(30) if outcomes[m] is outcome) if m in numbers]
            assert len(ranks) == most
            assert max(np.diff([-1, *ranks])) <= math.ceil(members / most)


def test_a_trial_is_found_by_its_number_in_every_state(anywhere: Repository) -> None:
    study = anywhere.create_study(make_definition(), "digits")
    with pytest.raises(StudyError, match="study 'small' has no trial 0; its trials: none yet"):
        anywhere.trial(study, 0)
    save(anywhere, study, make_result())
    running = ask(anywhere, study)
    worker = Workers(anywhere.database, study).join(host="host", process_id=17, device="cpu", grace_seconds=30)
    TrialHolds(anywhere.database, study).hold(running._trial_id, worker)
    assert anywhere.trial(study, 0).finished().result == make_result()
    with pytest.raises(StudyError, match="trial 1 has no outcome yet: it is running on host:17"):
        anywhere.trial(study, 1).finished()
    with pytest.raises(StudyError, match="study 'small' has no trial 2; its trials: 0 to 1"):
        anywhere.trial(study, 2)


def test_saving_a_result_twice_keeps_one_row(anywhere: Repository) -> None:
    study = anywhere.create_study(make_definition(), "digits")
    trial = ask(anywhere, study)
    for final_loss in (30.0, 31.0):
        result = make_result(final_loss=final_loss)
        anywhere.save_result(study, trial._trial_id, trial.number, result, PROVENANCE)
    (stored,) = anywhere.results(study)
    assert stored.result.final_loss == 30.0


def test_the_summary_counts_outcomes_and_states(anywhere: Repository) -> None:
    study = anywhere.create_study(make_definition(), "digits")
    other = anywhere.create_study(make_definition(name="other"), "digits")
    save(anywhere, other, make_result())
    loaded = optuna.load_study(study_name="small", storage=anywhere.database.optuna_storage)
    for outcome in (Outcome.STABLE, Outcome.STABLE, Outcome.DIVERGED):
        trial = loaded.ask()
        anywhere.save_result(study, trial._trial_id, trial.number, make_result(outcome), PROVENANCE)
        loaded.tell(trial, state=TrialState.FAIL)
    running = loaded.ask()
    workers = Workers(anywhere.database, study)
    worker = workers.join(host="host", process_id=17, device="cpu", grace_seconds=30)
    TrialHolds(anywhere.database, study).hold(running._trial_id, worker)
    workers.beat(worker)
    loaded.enqueue_trial({})
    summary = anywhere.summary(study)
    assert summary.outcomes == {"stable": 2, "stalled": 0, "exploded": 0, "diverged": 1, "failed": 0}
    assert (summary.finished, summary.running, summary.waiting, summary.budget) == (3, 1, 1, 4)
    (status,) = summary.workers
    assert (status.host, status.process_id, status.device, status.trials, status.alive) == (
        "host",
        17,
        "cpu",
        [3],
        True,
    )
    assert 0 <= status.last_seen_seconds < 10


def test_two_processes_that_create_one_study_get_the_same(anywhere: Repository, storage_url: str) -> None:
    studies: list[StoredStudy] = []

    def create() -> None:
        database = Database.open(storage_url, create=True)
        studies.append(Repository(database).create_study(make_definition(), "digits"))
        database.close()

    at_once(create)
    assert len(studies) == 4
    assert len({study.study_id for study in studies}) == 1


def test_a_study_deleted_in_optuna_leaves_nothing_behind(anywhere: Repository) -> None:
    study = anywhere.create_study(make_definition(), "digits")
    save(anywhere, study, make_result())
    old = anywhere.trial(study, 0).trial_id
    anywhere.save_telemetry(old, Telemetry(np.array([1]), np.ones((1, len(SIGNALS))), tuple(SIGNALS)))
    with plain_optuna_storage(anywhere.database.url) as storage:  # without our settings
        optuna.delete_study(study_name="small", storage=storage)
    assert anywhere.study_names() == []
    assert anywhere.find_study("small") is None
    again = anywhere.create_study(make_definition(seed=8), "digits")
    assert again.definition.seed == 8
    assert anywhere.results(again) == []
    assert anywhere.telemetry(old) is None


def test_a_study_of_plain_optuna_is_not_ours(anywhere: Repository) -> None:
    optuna.create_study(study_name="foreign", storage=anywhere.database.optuna_storage)
    with pytest.raises(StudyError, match=r"'foreign' in .* was not made by stability-sweep"):
        anywhere.get_study("foreign")
    assert anywhere.study_names() == []


def test_an_unknown_study_is_named_with_those_that_exist(anywhere: Repository) -> None:
    anywhere.create_study(make_definition(), "digits")
    with pytest.raises(StudyError, match=r"there is no study '<script>' in .*; studies there: small"):
        anywhere.get_study("<script>")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(allow_nan=True, allow_infinity=True) | st.none())
def test_encoding_of_numbers_loses_nothing(value: float | None) -> None:
    stored, kind = encode_number(value)
    assert stored is None or math.isfinite(stored)
    assert repr(decode_number(stored, kind)) == repr(value)
