"""Which trial a worker runs next: what was lost, what waits, or a new one within the budget.

Every step may be repeated after an outage. Whatever a broken attempt left behind is found again: a trial that this
worker claims already, or one that nobody claims.
"""

from __future__ import annotations

import logging
import time

import optuna
from optuna.trial import TrialState

from stability_sweep.definition import StudyDefinition
from stability_sweep.outcome import Outcome, TrialResult
from stability_sweep.sampling import assign_grid_point, suggest_point
from stability_sweep.storage import Provenance, Repository, StoredStudy
from stability_sweep.storage.fleet import Fleet, LostTrial
from stability_sweep.sweep.objective import tell
from stability_sweep.training import trial_seed

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 3
"""A trial whose worker died so often is failed: it may be what kills them."""


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
        self._grace_seconds = grace_seconds
        self._unclaimed_since: dict[int, float] = {}

    def next_trial(self) -> optuna.Trial | None:
        """The next trial to run, with its point; None if there is nothing to do now (others may still run)."""
        trial_id = self._own() or self._lost() or self._unclaimed() or self._waiting() or self._new()
        return None if trial_id is None else self._with_point(trial_id)

    def is_finished(self) -> bool:
        """Whether the budget is used up and every trial has an outcome."""
        summary = self._repository.summary(self._repository.get_study(self._stored.name))
        return not (summary.running or summary.waiting or self._fleet.has_room())

    def give_back(self, trial_id: int) -> None:
        """Put a trial back into the queue: the next worker finds the same point, and its number gives the seed."""
        self._fleet.release(trial_id)
        self._storage.set_trial_state_values(trial_id, TrialState.WAITING)

    def _own(self) -> int | None:
        """A trial that was claimed in an attempt that broke off."""
        return next(iter(self._fleet.claimed_by(self._worker_id)), None)

    def _lost(self) -> int | None:
        for lost in self._fleet.lost():
            if self._fleet.take_over(lost, self._worker_id) and not self._is_settled(lost):
                logger.warning("worker %s is dead; its trial %d runs again", lost.worker, self._number(lost.trial_id))
                return lost.trial_id
        return None

    def _is_settled(self, lost: LostTrial) -> bool:
        """Whether a lost trial needs no training: its result was stored, or it was begun too often."""
        number = self._number(lost.trial_id)
        stored = self._repository.trial(self._stored, number).stored
        trial = optuna.Trial(self._study, lost.trial_id)
        if stored is not None:
            tell(self._study, trial, stored.result)
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
        self._repository.save_result(self._stored, self._storage.get_trial(lost.trial_id), result, self._provenance)
        tell(self._study, trial, result)
        return True

    def _unclaimed(self) -> int | None:
        """A running trial that stayed without a claim for as long as the grace: its creator died at that moment."""
        now = time.monotonic()
        found = self._fleet.unclaimed()
        self._unclaimed_since = {trial_id: self._unclaimed_since.get(trial_id, now) for trial_id in found}
        for trial_id, since in self._unclaimed_since.items():
            if now - since > self._grace_seconds:
                with self._fleet.budget_lock():
                    if trial_id in self._fleet.unclaimed():
                        self._fleet.claim(trial_id, self._worker_id)
                        return trial_id
        return None

    def _waiting(self) -> int | None:
        waiting = self._storage.get_all_trials(self._stored.study_id, deepcopy=False, states=(TrialState.WAITING,))
        if not waiting:
            return None
        # Under the lock, since on SQLite Optuna itself may give one waiting trial to two workers.
        with self._fleet.budget_lock():
            for frozen in waiting:
                if self._storage.set_trial_state_values(frozen._trial_id, TrialState.RUNNING):
                    self._fleet.claim(frozen._trial_id, self._worker_id)
                    return frozen._trial_id
        return None

    def _new(self) -> int | None:
        if not self._fleet.has_room():
            return None
        with self._fleet.budget_lock():
            if not self._fleet.has_room():
                return None
            trial_id = self._storage.create_new_trial(self._stored.study_id)
            self._fleet.claim(trial_id, self._worker_id)
        return trial_id

    def _with_point(self, trial_id: int) -> optuna.Trial | None:
        """The trial with its point: the stored one, that of the trial it repeats, or a new one.

        None if the trial that it repeats has no point yet; then it is given back.
        """
        dimensions, repeats = len(self._definition.search_space), self._definition.budget.repeats
        frozen = self._storage.get_trial(trial_id)
        leader = frozen.number - frozen.number % repeats
        if len(frozen.params) < dimensions and leader != frozen.number:
            of_leader = self._storage.get_trial(self._trial_id(leader))
            if len(of_leader.params) == dimensions:
                self._storage.set_trial_system_attr(trial_id, "fixed_params", of_leader.params)
            elif not of_leader.state.is_finished():
                self.give_back(trial_id)
                return None
        elif not frozen.params and self._definition.sampler.name == "grid":
            assign_grid_point(self._storage, trial_id, self._definition, frozen.number // repeats)
        trial = optuna.Trial(self._study, trial_id)  # the sampler looks at it here
        suggest_point(trial, self._definition)
        return trial

    def _number(self, trial_id: int) -> int:
        return self._storage.get_trial_number_from_id(trial_id)

    def _trial_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._stored.study_id, number)
