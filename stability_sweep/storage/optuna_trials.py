"""Every use of Optuna's private parts, but for those of samplers: one study's trials, handled one by one.

Optuna's public interface makes a trial by `Study.ask` and ends it by `Study.tell`. Workers that share a budget need
less at a time: a trial that is born with its point, that goes back to the queue, or that runs again in another process;
and each of these as few statements. What we rely on for that is said at each method, and tested by name in
`tests/storage/test_optuna_trials.py`, so that a new Optuna that breaks it says which.

Samplers stand below storage; the little that they need is in `sampling.optuna_private`.
"""

from __future__ import annotations

from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from stability_sweep.storage.database import Database

FIXED_PARAMS = "fixed_params"
"""Optuna's system attribute of a trial that is to have certain parameters, whatever the sampler says: what
`Study.enqueue_trial` writes."""


def trial_id_of(trial: optuna.Trial | FrozenTrial) -> int:
    """Optuna's id of a trial, as its tables have it."""
    return trial._trial_id


def fixed_params(trial: FrozenTrial) -> dict[str, Any] | None:
    """The parameters that a trial is to have, all or some of them; None if nobody has asked for any."""
    return trial.system_attrs.get(FIXED_PARAMS)


class OptunaTrials:
    """The trials of one study of Optuna.

    Everything goes through the study's own storage object. That keeps a cache, and must see every change of ours.

    Args:
        study: Optuna's study, whose sampler chooses the points.
    """

    def __init__(self, study: optuna.Study) -> None:
        self.study = study
        self._storage = study._storage
        self._study_id = study._study_id

    @classmethod
    def open(cls, database: Database, name: str, sampler: BaseSampler) -> OptunaTrials:
        """The trials of the study that Optuna has under a name.

        Raises:
            KeyError: if it has none.
        """
        with database.errors():
            return cls(optuna.load_study(study_name=name, storage=database.optuna_storage, sampler=sampler))

    def create(self, planned: FrozenTrial | None) -> int:
        """Create a running trial, with the point of a plan or without any, and return its id."""
        return self._storage.create_new_trial(self._study_id, planned)

    def begin(self, trial_id: int) -> optuna.Trial:
        """The running trial, to be asked for its point: its sampler sees all that has ended by now.

        `Study.ask` forgets what the sampler saw at the last trial; a trial that is made like this would not.
        """
        self.study._thread_local.cached_all_trials = None
        return self.view(trial_id)

    def view(self, trial_id: int) -> optuna.Trial:
        """A trial by its id, to report to or to end."""
        return optuna.Trial(self.study, trial_id)

    def get(self, trial_id: int) -> FrozenTrial:
        """What is stored of a trial.

        Raises:
            KeyError: if there is none of that id, as in all methods here.
        """
        return self._storage.get_trial(trial_id)

    def number_of(self, trial_id: int) -> int:
        """A trial's number in its study."""
        return self._storage.get_trial_number_from_id(trial_id)

    def id_of(self, number: int) -> int:
        """The id of the trial of a number."""
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)

    def learn_of_others(self) -> None:
        """Let the cache know the trials that other processes have made: it must before one of them is written to."""
        self._storage.get_all_trials(self._study_id, deepcopy=False)

    def set_state(self, trial_id: int, state: TrialState, value: float | None = None) -> bool:
        """Change a trial's state by one statement; `Study.tell` would read the whole trial again.

        Returns:
            False if it was to run, and somebody else runs it already.

        Raises:
            UpdateFinishedTrialError: if it has ended.
        """
        return self._storage.set_trial_state_values(trial_id, state, None if value is None else [value])

    def fix_params(self, trial_id: int, params: dict[str, Any]) -> None:
        """Let a trial have these parameters, whatever the sampler says."""
        self._storage.set_trial_system_attr(trial_id, FIXED_PARAMS, params)

    def note(self, trial_id: int, name: str, value: Any) -> None:
        """Set a user attribute of a trial, which other programs can read."""
        self._storage.set_trial_user_attr(trial_id, name, value)
