"""Which trial a worker runs next: what was lost, what waits, or a new one within the budget.

Every step may be repeated after an outage. Whatever a broken attempt left behind is found again: a trial that this
worker holds already, or one that nobody holds.
"""

from __future__ import annotations

import logging
import time
from typing import NamedTuple

import optuna
from optuna.trial import TrialState

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.engine.seeds import trial_seed
from stability_sweep.results.outcome import Outcome, TrialResult
from stability_sweep.sampling import planned_trial, suggest_point
from stability_sweep.sampling.enqueued import FIXED_PARAMS, EnqueuedPointError, completed_params
from stability_sweep.space.dimensions import Point
from stability_sweep.storage import Provenance, Repository, StoredStudy, TrialIdentity
from stability_sweep.storage.fleet import Fleet, Hold, OpenTrial
from stability_sweep.storage.locks import LockLostError
from stability_sweep.sweep.heartbeat import Heartbeat
from stability_sweep.sweep.objective import VanishedTrialError, tell, vanished
from stability_sweep.sweep.precision import PrecisionRule, is_over

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 3
"""A trial whose worker died so often is failed: it may be what kills them."""


class ClaimedTrial(NamedTuple):
    """A trial that this worker runs."""

    trial: optuna.Trial
    point: Point
    identity: TrialIdentity


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
        self._taking: int | None = None
        """Id of the trial that is being taken."""

    def next_trial(self) -> ClaimedTrial | None:
        """The next trial to run; None if there is nothing to do now (others may still run).

        Raises:
            StudyError: if the study is no longer there.
            VanishedTrialError: if a trial was deleted while it was being taken.
        """
        self._taking = None
        started = time.monotonic()
        try:
            taken = self._held_trial() or self._new()
        except KeyError as error:
            if self._taking is not None and self._fleet.has_trial(self._taking):
                raise  # a bug, and no trial that Optuna does not know any more
            self._fleet.next_number()  # says so if the whole study is gone
            raise VanishedTrialError("a trial vanished while it was being taken") from error
        if taken is None:
            return None
        stood_still = time.monotonic() - started > self._grace_seconds
        return None if stood_still and not self.holds(taken.identity.trial_id) else taken

    def is_finished(self) -> bool:
        """Whether every trial has an outcome, and the budget is used up or the precision reached."""
        return is_over(self._repository, self._stored, self._rule)

    def holds(self, trial_id: int) -> bool:
        """Whether the trial is (still) this worker's."""
        return self._fleet.holds(trial_id, self._worker_id)

    def give_back(self, trial_id: int) -> None:
        """Put a trial back into the queue: the next worker finds the same point, and its number gives the seed."""
        if self._fleet.release(trial_id, self._worker_id):
            with vanished():
                self._storage.set_trial_state_values(trial_id, TrialState.WAITING)

    def _held_trial(self) -> ClaimedTrial | None:
        """One that this worker holds already (an attempt that broke off), that was lost, or that waits."""
        trials = self._fleet.open_trials()
        self._watch_unclaimed(trials)
        for trial in trials:
            self._taking = trial.trial_id
            hold = self._take(trial)
            if hold is None or self._is_settled(trial, hold):
                continue
            if trial.waits and not self._storage.set_trial_state_values(trial.trial_id, TrialState.RUNNING):
                continue  # it was ended by another program
            # Another process may have made it: Optuna's cache must know every trial that it is asked to write to.
            self._storage.get_all_trials(self._stored.study_id, deepcopy=False)
            return self._with_point(trial.trial_id, hold)
        return None

    def _take(self, trial: OpenTrial) -> Hold | None:
        if trial.worker_id == self._worker_id:
            return self._fleet.hold(trial.trial_id, self._worker_id)
        if trial.worker_id is not None:
            is_lost = trial.is_left or (trial.is_overdue and self._heartbeat.is_steady)
            hold = self._fleet.take_over(trial, self._worker_id) if is_lost else None
            if hold is not None and not trial.waits:
                number = self._number(trial.trial_id)
                logger.warning("worker %s is dead; its trial %d runs again", trial.worker, number)
            return hold
        # Without a hold, a waiting trial is anybody's; a running one only after the grace: its creator died then.
        since = self._unclaimed_since.get(trial.trial_id)
        if since is None or time.monotonic() - since > self._grace_seconds:
            return self._fleet.hold(trial.trial_id, self._worker_id)
        return None

    def _is_settled(self, trial: OpenTrial, hold: Hold) -> bool:
        """Whether a trial that was begun before needs no training: its result was stored, or it was begun too often."""
        if trial.waits and hold.attempt <= MOST_ATTEMPTS:
            return False
        number = self._number(trial.trial_id)
        stored = self._repository.trial(self._stored, number).stored
        if stored is not None:
            tell(self._study, trial.trial_id, stored.result, stored.provenance)
            return True
        if hold.attempt <= MOST_ATTEMPTS:
            return False
        self._fail(number, hold, trial.trial_id, f"its worker died in each of {trial.attempts} attempts, the last one "
                   f"on {trial.worker}")  # fmt: skip
        return True

    def _fail(self, number: int, hold: Hold, trial_id: int, reason: str) -> None:
        """Give a trial that is never trained its outcome."""
        result = TrialResult(
            seed=trial_seed(self._definition.seed, number),
            outcome=Outcome.FAILED,
            horizon=self._definition.fixed_horizon or 1,
            failure=reason,
        )
        self._repository.save_result(self._stored, trial_id, number, result, self._provenance)
        tell(self._study, trial_id, result, self._provenance)
        logger.warning("trial %d failed: %s", number, reason)

    def _watch_unclaimed(self, trials: list[OpenTrial]) -> None:
        """Note since when a running trial has no hold, on this process's steady clock."""
        now = time.monotonic()
        self._unclaimed_since = {
            trial.trial_id: self._unclaimed_since.get(trial.trial_id, now)
            for trial in trials
            if trial.worker_id is None and not trial.waits
        }

    def _new(self) -> ClaimedTrial | None:
        if self._rule.is_met():
            return None
        with self._fleet.budget_lock(self._grace_seconds) as lease:
            number = self._fleet.next_number()
            if number is None:
                return None
            planned = planned_trial(self._definition, number)
            lease.renew()  # whoever was frozen until now must not create what another one has created meanwhile
            self._taking = None
            trial_id = self._taking = self._storage.create_new_trial(self._stored.study_id, planned)
            try:
                hold = self._fleet.hold_new(trial_id, self._worker_id, lease)
            except LockLostError:
                self._storage.set_trial_state_values(trial_id, TrialState.FAIL)
                logger.warning("this worker stood still while it created trial %d, which is withdrawn", number)
                raise
            if hold is None:
                return None
            if planned is None:
                # Under the lock, so that whoever asks next sees this point as pending.
                is_repeat = number % self._definition.budget.repeats != 0
                return self._with_point(trial_id, hold) if is_repeat else self._begin(trial_id, hold)
        return self._begin(trial_id, hold)

    def _with_point(self, trial_id: int, hold: Hold) -> ClaimedTrial | None:
        """The trial with its point: the stored one, that of the trial it repeats, one asked for, or a new one.

        None if the trial that it repeats has no point yet; then it is given back.
        """
        frozen = self._storage.get_trial(trial_id)
        dimensions = len(self._definition.search_space)
        if len(frozen.params) == dimensions:
            return self._begin(trial_id, hold)
        leader = frozen.number - frozen.number % self._definition.budget.repeats
        fixed = frozen.system_attrs.get(FIXED_PARAMS)
        if fixed is not None:
            try:
                fixed = completed_params(self._definition, frozen.number, {**fixed, **frozen.params})
            except EnqueuedPointError as error:
                self._fail(frozen.number, hold, trial_id, str(error))
                return None
            self._storage.set_trial_system_attr(trial_id, FIXED_PARAMS, fixed)
        elif leader != frozen.number:
            of_leader = self._storage.get_trial(self._trial_id(leader))
            if len(of_leader.params) == dimensions:
                self._storage.set_trial_system_attr(trial_id, FIXED_PARAMS, of_leader.params)
            elif not of_leader.state.is_finished():
                self.give_back(trial_id)
                return None
        return self._begin(trial_id, hold)

    def _begin(self, trial_id: int, hold: Hold) -> ClaimedTrial:
        # `Study.ask` forgets what the sampler saw at the last trial; a trial that is made like this would not.
        self._study._thread_local.cached_all_trials = None
        trial = optuna.Trial(self._study, trial_id)  # the sampler looks at it here
        point = suggest_point(trial, self._definition)
        return ClaimedTrial(trial, point, self._identity(trial, hold))

    def _identity(self, trial: optuna.Trial, hold: Hold) -> TrialIdentity:
        distributions = trial.distributions
        return TrialIdentity(
            database_id=self._repository.database.database_id,
            study_uuid=self._stored.study_uuid,
            fingerprint=self._stored.definition.fingerprint,
            trial_id=trial._trial_id,
            number=trial.number,
            trial_uuid=hold.trial_uuid,
            attempt=hold.attempt,
            params={name: distributions[name].to_internal_repr(value) for name, value in trial.params.items()},
        )

    def _number(self, trial_id: int) -> int:
        return self._storage.get_trial_number_from_id(trial_id)

    def _trial_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._stored.study_id, number)
