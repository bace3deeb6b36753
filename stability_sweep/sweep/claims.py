"""Which trial a worker runs next: what was lost, what waits, or a new one within the budget.

Every step may be repeated after an outage. Whatever a broken attempt left behind is found again: a trial that this
worker claims already, or one that nobody claims.
"""

from __future__ import annotations

import logging
import time
from typing import Any, NamedTuple

import optuna
from optuna.trial import TrialState

from stability_sweep.definition import StudyDefinition
from stability_sweep.outcome import Outcome, TrialResult
from stability_sweep.sampling import planned_trial, suggest_point
from stability_sweep.search_space import Point
from stability_sweep.storage import Provenance, Repository, StoredStudy
from stability_sweep.storage.fleet import Fleet, OpenTrial
from stability_sweep.sweep.heartbeat import Heartbeat
from stability_sweep.sweep.objective import tell
from stability_sweep.sweep.precision import PrecisionRule, is_over
from stability_sweep.training import trial_seed

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 3
"""A trial whose worker died so often is failed: it may be what kills them."""


class ClaimedTrial(NamedTuple):
    """A trial that this worker runs."""

    trial: optuna.Trial
    point: Point


class Claims:
    """Hands out the trials of one study to one worker."""

    def __init__(
        self,
        repository: Repository,
        stored: StoredStudy,
        study: optuna.Study,
        fleet: Fleet,
        worker_id: str,
        provenance: Provenance,
        heartbeat: Heartbeat,
        *,
        grace_seconds: float,
    ) -> None:
        self._repository = repository
        self._stored = stored
        self._definition: StudyDefinition = stored.effective_definition
        self._study = study
        self._storage = study._storage
        self._fleet = fleet
        self._worker_id = worker_id
        self._provenance = provenance
        self._heartbeat = heartbeat
        self._grace_seconds = grace_seconds
        self._rule = PrecisionRule(repository, stored)
        self._unclaimed_since: dict[int, float] = {}

    def next_trial(self) -> ClaimedTrial | None:
        """The next trial to run; None if there is nothing to do now (others may still run)."""
        trial_id = self._open_trial(self._fleet.open_trials())
        if trial_id is not None:
            return self._with_point(trial_id)
        return self._new()

    def _open_trial(self, trials: list[OpenTrial]) -> int | None:
        """One that this worker claims already (an attempt that broke off), that was lost, or that waits."""
        self._watch_unclaimed(trials)
        for trial in trials:
            if trial.waits:
                taken = self._take_waiting(trial)
            elif trial.worker_id == self._worker_id:
                taken = True
            elif trial.worker_id is None:
                taken = self._take_unclaimed(trial)
            else:
                is_lost = trial.is_left or (trial.is_overdue and self._heartbeat.is_steady)
                taken = is_lost and self._take_lost(trial)
            if taken:
                return trial.trial_id
        return None

    def is_finished(self) -> bool:
        """Whether every trial has an outcome, and the budget is used up or the precision reached."""
        return is_over(self._repository, self._stored, self._rule)

    def give_back(self, trial_id: int) -> None:
        """Put a trial back into the queue: the next worker finds the same point, and its number gives the seed."""
        self._fleet.release(trial_id)
        self._storage.set_trial_state_values(trial_id, TrialState.WAITING)

    def _take_lost(self, lost: OpenTrial) -> bool:
        if not self._fleet.take_over(lost, self._worker_id) or self._is_settled(lost):
            return False
        logger.warning("worker %s is dead; its trial %d runs again", lost.worker, self._number(lost.trial_id))
        return True

    def _is_settled(self, lost: OpenTrial) -> bool:
        """Whether a lost trial needs no training: its result was stored, or it was begun too often."""
        number = self._number(lost.trial_id)
        stored = self._repository.trial(self._stored, number).stored
        if stored is not None:
            tell(self._study, lost.trial_id, stored.result)
            return True
        if lost.attempts < MOST_ATTEMPTS:
            return False
        reason = f"its worker died in each of {lost.attempts} attempts, the last one on {lost.worker}"
        result = TrialResult(
            seed=trial_seed(self._definition.seed, number),
            outcome=Outcome.FAILED,
            horizon=self._definition.training.horizon_steps or 1,
            failure=reason,
        )
        self._repository.save_result(self._stored, lost.trial_id, number, result, self._provenance)
        tell(self._study, lost.trial_id, result)
        logger.warning("trial %d failed: %s", number, reason)
        return True

    def _watch_unclaimed(self, trials: list[OpenTrial]) -> None:
        """Note since when a running trial has no claim, on this process's steady clock."""
        now = time.monotonic()
        self._unclaimed_since = {
            trial.trial_id: self._unclaimed_since.get(trial.trial_id, now)
            for trial in trials
            if trial.worker_id is None and not trial.waits
        }

    def _take_unclaimed(self, trial: OpenTrial) -> bool:
        """Take one that had no claim for as long as the grace: its creator died at that very moment."""
        if time.monotonic() - self._unclaimed_since[trial.trial_id] <= self._grace_seconds:
            return False
        with self._fleet.budget_lock():
            again = [other for other in self._fleet.open_trials() if other.trial_id == trial.trial_id]
            if not again or again[0].worker_id is not None or again[0].waits:
                return False
            self._fleet.claim(trial.trial_id, self._worker_id)
            return True

    def _take_waiting(self, trial: OpenTrial) -> bool:
        # Under the lock, since on SQLite Optuna itself may give one waiting trial to two workers.
        with self._fleet.budget_lock():
            if not self._storage.set_trial_state_values(trial.trial_id, TrialState.RUNNING):
                return False
            self._fleet.claim(trial.trial_id, self._worker_id)
            return True

    def _new(self) -> ClaimedTrial | None:
        if self._rule.is_met():
            return None
        with self._fleet.budget_lock():
            number = self._fleet.next_number()
            if number is None:
                return None
            planned = planned_trial(self._definition, number)
            trial_id = self._storage.create_new_trial(self._stored.study_id, planned)
            self._fleet.claim(trial_id, self._worker_id)
            if planned is None:
                # Under the lock, so that whoever asks next sees this point as pending.
                return self._with_point(trial_id)
        return self._begin(trial_id)

    def _with_point(self, trial_id: int) -> ClaimedTrial | None:
        """The trial with its point: the stored one, that of the trial it repeats, or a new one.

        None if the trial that it repeats has no point yet; then it is given back.
        """
        dimensions, repeats = len(self._definition.search_space), self._definition.budget.repeats
        number = self._number(trial_id)
        leader = number - number % repeats
        # Reading trials takes as many statements as running one, so they are read for repeats only.
        if leader != number and len(self._params(number)) < dimensions:
            of_leader = self._storage.get_trial(self._trial_id(leader))
            if len(of_leader.params) == dimensions:
                self._storage.set_trial_system_attr(trial_id, "fixed_params", of_leader.params)
            elif not of_leader.state.is_finished():
                self.give_back(trial_id)
                return None
        return self._begin(trial_id)

    def _begin(self, trial_id: int) -> ClaimedTrial:
        # `Study.ask` forgets what the sampler saw at the last trial; a trial that is made like this would not.
        self._study._thread_local.cached_all_trials = None
        trial = optuna.Trial(self._study, trial_id)  # the sampler looks at it here
        return ClaimedTrial(trial, suggest_point(trial, self._definition))

    def _params(self, number: int) -> dict[str, Any]:
        # Not `get_trial`: Optuna's cache must hear of every trial that it is asked to write to.
        everything = self._storage.get_all_trials(self._stored.study_id, deepcopy=False)
        return dict(everything[number].params)

    def _number(self, trial_id: int) -> int:
        return self._storage.get_trial_number_from_id(trial_id)

    def _trial_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._stored.study_id, number)
