"""Which trials a worker takes hold of next: lost ones, waiting ones, or new ones within the budget.

Every step may be repeated after an outage. Whatever a broken attempt left behind is found again: trials that this
worker holds already, or that nobody holds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import optuna
from optuna.trial import TrialState

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.results.outcome import Outcome, TrialResult
from stability_sweep.sampling import planned_trial, suggest_point
from stability_sweep.sampling.enqueued import EnqueuedPointError, completed_params
from stability_sweep.space.dimensions import Point
from stability_sweep.storage import Provenance, Repository, StoredStudy, TrialIdentity
from stability_sweep.storage.locks import LockLostError
from stability_sweep.storage.optuna_trials import OptunaTrials, fixed_params
from stability_sweep.storage.trial_holds import Hold, OpenTrial, TrialHolds
from stability_sweep.workers.ending import PrecisionRule, is_over
from stability_sweep.workers.heartbeat import Heartbeat
from stability_sweep.workers.objective import VanishedTrialError, tell, vanished

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 3
"""A trial whose worker died so often is failed: it may be what kills them."""


class HeldTrial(NamedTuple):
    """A trial that this worker runs."""

    trial: optuna.Trial
    point: Point
    identity: TrialIdentity


class Holds:
    """Hands out the trials of one study to one worker, as many at a time as it asks for.

    What a worker holds when it asks, it holds from an attempt that broke off: whoever asks has no trial left to run.

    Args:
        repository: where the study lives.
        stored: the study.
        trials: its trials in Optuna.
        worker_id: the worker, as it has joined the study.
        provenance: of the trials that are failed here without being trained.
        heartbeat: says whether this worker may take others for dead.
        grace_seconds: a trial that nobody holds is anybody's after so long.
    """

    def __init__(
        self,
        repository: Repository,
        stored: StoredStudy,
        trials: OptunaTrials,
        worker_id: str,
        provenance: Provenance,
        heartbeat: Heartbeat,
        *,
        grace_seconds: float,
    ) -> None:
        self._repository = repository
        self._stored = stored
        self._definition: StudyDefinition = stored.effective_definition
        self._trials = trials
        self._holds = TrialHolds(repository.database, stored)
        self._worker_id = worker_id
        self._provenance = provenance
        self._heartbeat = heartbeat
        self._grace_seconds = grace_seconds
        self._rule = PrecisionRule(repository, stored)
        self._unheld_since: dict[int, float] = {}
        self._taking: int | None = None
        """Id of the trial that is being taken."""

    def next_trials(self, most: int) -> list[HeldTrial]:
        """The next trials to run, each once; none if there is nothing to do now (others may still run).

        After an outage the whole call is to be repeated: it finds first what this worker holds by then.

        Args:
            most: how many at most, 1 or more.

        Raises:
            StudyError: if the study is no longer there.
            VanishedTrialError: if a trial was deleted while it was being taken.
        """
        self._taking = None
        started = time.monotonic()
        try:
            taken = list(islice(self._open_ones(), most))
            while len(taken) < most and (new := self._new()) is not None:
                taken.append(new)
        except KeyError as error:
            if self._taking is not None and self._holds.has_trial(self._taking):
                raise  # a bug, and no trial that Optuna does not know any more
            self._holds.next_number()  # says so if the whole study is gone
            raise VanishedTrialError("a trial vanished while it was being taken") from error
        stood_still = time.monotonic() - started > self._grace_seconds
        return [held for held in taken if self.holds(held.identity.trial_id)] if stood_still else taken

    def is_finished(self) -> bool:
        """Whether every trial has an outcome, and the budget is used up or the precision reached."""
        return is_over(self._repository, self._stored, self._rule)

    def holds(self, trial_id: int) -> bool:
        """Whether the trial is (still) this worker's."""
        return self._holds.holds(trial_id, self._worker_id)

    def give_back(self, trial_id: int) -> None:
        """Put a trial back into the queue: the next worker finds the same point, and its number gives the seed."""
        if self._holds.release(trial_id, self._worker_id):
            with vanished():
                self._trials.set_state(trial_id, TrialState.WAITING)

    def _open_ones(self) -> Iterator[HeldTrial]:
        """Those that this worker holds already (an attempt that broke off), then those that were lost or wait.

        They are listed once, so that none comes twice, and are taken one by one as they are asked for.
        """
        trials = self._holds.open_trials()
        self._watch_unheld(trials)
        # Its own come first: what waits may be more than it asks for, and would leave some of its own with it unseen.
        for trial in sorted(trials, key=lambda trial: trial.worker_id != self._worker_id):
            self._taking = trial.trial_id
            hold = self._take(trial)
            if hold is None or self._is_settled(trial, hold):
                continue
            if trial.waits and not self._trials.set_state(trial.trial_id, TrialState.RUNNING):
                continue  # it was ended by another program
            # Another process may have made it.
            self._trials.learn_of_others()
            held = self._with_point(trial.trial_id, hold)
            if held is None:
                return
            yield held

    def _take(self, trial: OpenTrial) -> Hold | None:
        if trial.worker_id == self._worker_id:
            return self._holds.hold(trial.trial_id, self._worker_id)
        if trial.worker_id is not None:
            is_lost = trial.is_left or (trial.is_overdue and self._heartbeat.is_steady)
            hold = self._holds.take_over(trial, self._worker_id) if is_lost else None
            if hold is not None and not trial.waits:
                number = self._trials.number_of(trial.trial_id)
                logger.warning("worker %s is dead; its trial %d runs again", trial.worker, number)
            return hold
        # Without a hold, a waiting trial is anybody's; a running one only after the grace: its creator died then.
        since = self._unheld_since.get(trial.trial_id)
        if since is None or time.monotonic() - since > self._grace_seconds:
            return self._holds.hold(trial.trial_id, self._worker_id)
        return None

    def _is_settled(self, trial: OpenTrial, hold: Hold) -> bool:
        """Whether a trial that was begun before needs no training: its result was stored, or it was begun too often."""
        if trial.waits and hold.attempt <= MOST_ATTEMPTS:
            return False
        number = self._trials.number_of(trial.trial_id)
        stored = self._repository.trial(self._stored, number).stored
        if stored is not None:
            tell(self._trials.study, trial.trial_id, stored.result, stored.provenance)
            return True
        if hold.attempt <= MOST_ATTEMPTS:
            return False
        reason = f"its worker died in each of {trial.attempts} attempts, the last one on {trial.worker}"
        self._fail(trial.trial_id, number, reason)
        return True

    def _fail(self, trial_id: int, number: int, reason: str) -> None:
        """Give a trial that is never trained its outcome."""
        result = TrialResult(
            seed=self._definition.trial_seed(number),
            outcome=Outcome.FAILED,
            horizon=self._definition.fixed_horizon or 1,
            failure=reason,
        )
        self._repository.save_result(self._stored, trial_id, number, result, self._provenance)
        tell(self._trials.study, trial_id, result, self._provenance)
        logger.warning("trial %d failed: %s", number, reason)

    def _watch_unheld(self, trials: list[OpenTrial]) -> None:
        """Note since when a running trial has no hold, on this process's steady clock."""
        now = time.monotonic()
        self._unheld_since = {
            trial.trial_id: self._unheld_since.get(trial.trial_id, now)
            for trial in trials
            if trial.worker_id is None and not trial.waits
        }

    def _new(self) -> HeldTrial | None:
        if self._rule.is_met():
            return None
        with self._holds.budget_lock(self._grace_seconds) as lease:
            number = self._holds.next_number()
            if number is None:
                return None
            planned = planned_trial(self._definition, number)
            lease.renew()  # whoever was frozen until now must not create what another one has created meanwhile
            self._taking = None
            trial_id = self._taking = self._trials.create(planned)
            try:
                hold = self._holds.hold_new(trial_id, self._worker_id, lease)
            except LockLostError:
                self._trials.set_state(trial_id, TrialState.FAIL)
                logger.warning("this worker stood still while it created trial %d, which is withdrawn", number)
                raise
            if hold is None:
                return None
            if planned is None:
                # Under the lock, so that whoever asks next sees this point as pending.
                is_repeat = number % self._definition.budget.repeats != 0
                return self._with_point(trial_id, hold) if is_repeat else self._begin(trial_id, hold)
        return self._begin(trial_id, hold)

    def _with_point(self, trial_id: int, hold: Hold) -> HeldTrial | None:
        """The trial with its point: the stored one, that of the trial it repeats, one asked for, or a new one.

        None if the trial that it repeats has no point yet; then it is given back.
        """
        frozen = self._trials.get(trial_id)
        dimensions = len(self._definition.search_space)
        if len(frozen.params) == dimensions:
            return self._begin(trial_id, hold)
        leader = frozen.number - frozen.number % self._definition.budget.repeats
        fixed = fixed_params(frozen)
        if fixed is None and self._definition.blocks is not None:
            fixed = {}  # another program made it: its number says which run of which block it is
        if fixed is not None:
            try:
                fixed = completed_params(self._definition, frozen.number, {**fixed, **frozen.params})
            except EnqueuedPointError as error:
                self._fail(trial_id, frozen.number, str(error))
                return None
            self._trials.fix_params(trial_id, fixed)
        elif leader != frozen.number:
            of_leader = self._trials.get(self._trials.id_of(leader))
            if len(of_leader.params) == dimensions:
                self._trials.fix_params(trial_id, of_leader.params)
            elif not of_leader.state.is_finished():
                self.give_back(trial_id)
                return None
        return self._begin(trial_id, hold)

    def _begin(self, trial_id: int, hold: Hold) -> HeldTrial:
        trial = self._trials.begin(trial_id)  # the sampler looks at it here
        point = suggest_point(trial, self._definition)
        return HeldTrial(trial, point, self._identity(trial, trial_id, hold))

    def _identity(self, trial: optuna.Trial, trial_id: int, hold: Hold) -> TrialIdentity:
        distributions = trial.distributions
        return TrialIdentity(
            database_id=self._repository.database_id,
            study_uuid=self._stored.study_uuid,
            fingerprint=self._stored.definition.fingerprint,
            trial_id=trial_id,
            number=trial.number,
            trial_uuid=hold.trial_uuid,
            attempt=hold.attempt,
            params={name: distributions[name].to_internal_repr(value) for name, value in trial.params.items()},
        )
