"""What we rely on of Optuna's private parts: a new version of Optuna that breaks one fails here, by its name."""

from __future__ import annotations

from collections.abc import Iterator

import optuna
import pytest
from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.samplers import RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import select

from stability_sweep.sampling.optuna_private import cached_trials
from stability_sweep.storage import Database, Repository, optuna_tables
from stability_sweep.storage.optuna_trials import OptunaTrials, fixed_params, trial_id_of
from tests.conftest import make_definition

X = optuna.distributions.FloatDistribution(0.0, 1.0)


class Watching(RandomSampler):
    """A random sampler that notes how many trials had ended whenever it was asked."""

    def __init__(self) -> None:
        super().__init__(seed=0)
        self.seen: list[int] = []

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        self.seen.append(sum(one.state.is_finished() for one in cached_trials(study)))
        return super().infer_relative_search_space(study, trial)


@pytest.fixture
def trials(repository: Repository) -> OptunaTrials:
    repository.create_study(make_definition(), "digits")
    return OptunaTrials.open(repository.database, "small", Watching())


@pytest.fixture
def elsewhere(repository: Repository, trials: OptunaTrials) -> Iterator[OptunaTrials]:
    """The same trials as another process sees them, with a cache of its own."""
    database = Database.open(repository.secret_url)
    yield OptunaTrials.open(database, "small", RandomSampler(seed=0))
    database.close()


def test_a_study_that_is_not_there_is_a_key_error(repository: Repository) -> None:
    with pytest.raises(KeyError):
        OptunaTrials.open(repository.database, "nowhere", RandomSampler())


def test_a_trial_of_either_kind_knows_the_id_that_the_tables_have(repository: Repository, trials: OptunaTrials) -> None:
    created = trials.create(None)
    assert trial_id_of(trials.view(created)) == created
    assert trial_id_of(trials.get(created)) == created
    with repository.database.session() as session:
        assert session.scalars(select(optuna_tables.trials.c.trial_id)).all() == [created]


def test_ids_and_numbers_lead_to_each_other(trials: OptunaTrials) -> None:
    ids = [trials.create(None) for _ in range(3)]
    assert [trials.number_of(one) for one in ids] == [0, 1, 2]
    assert [trials.id_of(number) for number in range(3)] == ids


def test_a_trial_can_be_born_running_and_with_its_point(trials: OptunaTrials) -> None:
    planned = create_trial(state=TrialState.RUNNING, params={"x": 0.25}, distributions={"x": X})
    created = trials.get(trials.create(planned))
    assert (created.state, created.params) == (TrialState.RUNNING, {"x": 0.25})
    assert trials.view(trial_id_of(created)).suggest_float("x", 0.0, 1.0) == 0.25


def test_a_trial_that_begins_shows_the_sampler_what_has_ended_by_then(trials: OptunaTrials) -> None:
    sampler = trials.study.sampler
    assert isinstance(sampler, Watching)
    for ended in range(3):
        trial = trials.begin(trials.create(None))
        trial.suggest_float("x", 0.0, 1.0)
        assert sampler.seen[-1] == ended
        trials.set_state(trial_id_of(trial), TrialState.COMPLETE, 1.0)


def test_parameters_that_were_fixed_are_suggested_whatever_the_sampler_says(trials: OptunaTrials) -> None:
    created = trials.create(None)
    assert fixed_params(trials.get(created)) is None
    trials.fix_params(created, {"x": 0.125})
    assert fixed_params(trials.get(created)) == {"x": 0.125}
    assert trials.begin(created).suggest_float("x", 0.0, 1.0) == 0.125


def test_what_optuna_enqueues_are_fixed_parameters(trials: OptunaTrials) -> None:
    trials.study.enqueue_trial({"x": 0.5})
    trials.learn_of_others()
    waiting = trials.get(trials.id_of(0))
    assert (waiting.state, fixed_params(waiting)) == (TrialState.WAITING, {"x": 0.5})


def test_a_trial_that_goes_back_to_the_queue_keeps_its_point_and_runs_again(trials: OptunaTrials) -> None:
    created = trials.create(None)
    point = trials.begin(created).suggest_float("x", 0.0, 1.0)
    assert trials.set_state(created, TrialState.WAITING)
    assert trials.get(created).state is TrialState.WAITING
    assert trials.set_state(created, TrialState.RUNNING)
    assert trials.begin(created).suggest_float("x", 0.0, 1.0) == point


def test_only_one_can_let_a_waiting_trial_run(trials: OptunaTrials, elsewhere: OptunaTrials) -> None:
    created = trials.create(None)
    trials.set_state(created, TrialState.WAITING)
    elsewhere.learn_of_others()
    assert elsewhere.set_state(created, TrialState.RUNNING) is True
    assert trials.set_state(created, TrialState.RUNNING) is False


def test_a_trial_ends_with_its_value_and_only_once(trials: OptunaTrials) -> None:
    created = trials.create(None)
    trials.set_state(created, TrialState.COMPLETE, 2.5)
    assert (trials.get(created).state, trials.get(created).value) == (TrialState.COMPLETE, 2.5)
    with pytest.raises(UpdateFinishedTrialError):
        trials.set_state(created, TrialState.FAIL)


def test_a_trial_that_another_process_made_can_be_asked_for_its_point(
    trials: OptunaTrials, elsewhere: OptunaTrials
) -> None:
    elsewhere.learn_of_others()
    created = trials.create(None)
    elsewhere.learn_of_others()
    value = elsewhere.begin(created).suggest_float("x", 0.0, 1.0)
    assert trials.get(created).params == {"x": value}


def test_a_trial_that_is_not_there_is_a_key_error(trials: OptunaTrials) -> None:
    for missing in (trials.get, trials.view, trials.number_of, trials.id_of):
        with pytest.raises(KeyError):
            missing(99)
    with pytest.raises(KeyError):
        trials.set_state(99, TrialState.FAIL)


def test_a_note_is_an_attribute_that_any_program_reads(trials: OptunaTrials) -> None:
    created = trials.create(None)
    trials.note(created, "who", {"us": 1})
    assert trials.study.trials[0].user_attrs == {"who": {"us": 1}}
