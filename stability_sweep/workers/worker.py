"""One process's loop: take trials, train them, deliver their results."""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Iterable
from functools import partial

import optuna
import torch

from stability_sweep.engine import StopTrainingError, TelemetryRecorder
from stability_sweep.engine.cores import allowed_cores
from stability_sweep.errors import ForeignResultError, OutageError, StorageError, WorkerError
from stability_sweep.results.autopsy import Autopsy
from stability_sweep.results.outcome import Outcome, TrialResult
from stability_sweep.sampling import build_sampler
from stability_sweep.space.dimensions import Point
from stability_sweep.storage import Repository, StoredStudy
from stability_sweep.storage.optuna_trials import OptunaTrials
from stability_sweep.storage.workers import Workers
from stability_sweep.targets.protocol import Prepared
from stability_sweep.workers.delivery import Delivery
from stability_sweep.workers.heartbeat import GRACE_BEATS, Heartbeat, heartbeat_seconds
from stability_sweep.workers.holds import HeldTrial, Holds
from stability_sweep.workers.objective import VanishedTrialError
from stability_sweep.workers.observer import SilentObserver, SweepObserver
from stability_sweep.workers.patience import Patience
from stability_sweep.workers.progress import StepWatcher
from stability_sweep.workers.provenance import provenance_here
from stability_sweep.workers.stopping import StopRequest

logger = logging.getLogger(__name__)

SHORTEST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.1, 2.0
"""How often a worker without a trial looks whether another one died or gave one back: less and less often."""

FAILURES_IN_A_ROW = 3
"""After so many failed trials a worker gives up: the cause is not in the trials."""


class Worker:
    """Runs trials of one study until its budget is used up, its precision reached, or a stop requested.

    Args:
        repository: where the study lives.
        study: the study.
        prepared: its target, ready to run on the device that the trials use.
        stop: when a stop is requested, the running trial goes back to the queue, and so does every other that is held.
        observer: told about this worker's trials.
        shares_cores: before every trial (or every few that are trained at once), take this worker's share of the
            cores that it is allowed: as many threads as there are cores for every worker that lives on this host.
            Otherwise torch's threads stay as they are.
    """

    def __init__(
        self,
        repository: Repository,
        study: StoredStudy,
        prepared: Prepared,
        stop: StopRequest,
        observer: SweepObserver | None = None,
        *,
        shares_cores: bool = False,
    ) -> None:
        self._shares_cores = shares_cores
        self._repository = repository
        self._stored = study
        self._definition = study.effective_definition
        # A user's code must be importable here; said before the first trial, not by its failure.
        self._definition.check_here()
        self._prepared = prepared
        self._stop = stop
        self._observer: SweepObserver = observer or SilentObserver()
        self._finished = 0
        self._failures_in_a_row = 0
        self._provenance = provenance_here(prepared.device)
        self._trials = self._open_trials()
        self._workers = Workers(repository.database, study)
        self._patience = Patience(repository.database, stop)
        self._delivery = Delivery(repository, study, self._patience)
        self._interval_seconds = heartbeat_seconds()
        self._grace_seconds = GRACE_BEATS * self._interval_seconds

    def _open_trials(self) -> OptunaTrials:
        """Optuna's trials, with a fresh cache."""
        try:
            return OptunaTrials.open(self._repository.database, self._stored.name, build_sampler(self._definition))
        except KeyError:
            self._repository.get_study(self._stored.name)  # says that it is gone
            raise

    def run(self) -> int:
        """Run trials until the study ends and every trial has an outcome; return how many this worker finished.

        Raises:
            WorkerError: if trials fail one after the other.
            StorageError: if the database stays away for more than 15 minutes, or another one took its place; results
                are kept in the spool.
            StudyError: if the study was deleted.
        """
        try:
            self._patience("tidying up", self._repository.tidy)
            self._patience("delivering the spool", lambda: self._delivery.deliver_spool(self._trials))
            worker_id = self._patience("joining the study", self._join)
        except OutageError:
            if self._stop.requested:
                return 0
            raise
        heartbeat = Heartbeat(lambda: self._beat(worker_id), self._interval_seconds)
        with heartbeat:
            try:
                return self._work(worker_id, heartbeat)
            except OutageError:
                if not self._stop.requested:
                    raise
                return self._finished
            finally:
                with contextlib.suppress(StorageError):  # without a goodbye the grace has to pass
                    self._workers.leave(worker_id)

    def _join(self, worker_id: str | None = None) -> str:
        host, _, process_id = self._provenance.worker.rpartition(":")
        return self._workers.join(
            host=host,
            process_id=int(process_id),
            device=self._provenance.device,
            grace_seconds=self._grace_seconds,
            worker_id=worker_id,
        )

    def _beat(self, worker_id: str) -> None:
        if not self._workers.beat(worker_id):  # the database was restored from a time before this worker joined
            self._join(worker_id)

    def _holds(self, worker_id: str, heartbeat: Heartbeat) -> Holds:
        return Holds(
            self._repository,
            self._stored,
            self._trials,
            worker_id,
            self._provenance,
            heartbeat,
            grace_seconds=self._grace_seconds,
        )

    def _work(self, worker_id: str, heartbeat: Heartbeat) -> int:
        holds = self._holds(worker_id, heartbeat)
        pause = SHORTEST_POLL_SECONDS
        longest_poll_seconds = min(self._interval_seconds, LONGEST_POLL_SECONDS)
        while not self._stop.requested:
            try:
                held = self._patience("asking for a trial", partial(holds.next_trials, self._prepared.trials_at_once))
                if not held:
                    if self._patience("asking whether the study is finished", holds.is_finished):
                        break
                    self._stop.wait(pause)
                    pause = min(2 * pause, longest_poll_seconds)
                    continue
                pause = SHORTEST_POLL_SECONDS
                if self._shares_cores:
                    self._take_share_of_cores()
                self._run_trials(held, holds)
            except StopTrainingError:
                break
            except (VanishedTrialError, ForeignResultError) as error:
                logger.warning("%s; this worker looks at the study anew", error)
                self._trials = self._patience("opening the study anew", self._open_trials)
                holds = self._holds(worker_id, heartbeat)
        return self._finished

    def _take_share_of_cores(self) -> None:
        """Set torch's threads for the next trial: its provenance tells them, since they may change its last bits."""
        host, _, _ = self._provenance.worker.rpartition(":")
        try:
            neighbours = self._workers.living_on(host)
        except StorageError as error:  # the share stays as it was
            logger.debug("no look at the other workers of this host: %s", error)
            return
        threads = max(1, allowed_cores() // max(1, neighbours))
        if threads != torch.get_num_threads():
            torch.set_num_threads(threads)
            self._provenance = provenance_here(self._prepared.device)

    def _run_trials(self, held: Iterable[HeldTrial], holds: Holds) -> None:
        """Run trials that this worker holds; whatever ends that early, those not begun go back to the queue.

        One after the other: no target trains several at once so far, and one that does replaces this loop.

        Raises:
            StopTrainingError: if a stop is requested.
            WorkerError: if trials fail one after the other.
        """
        left = deque(held)
        try:
            while left:
                if self._stop.requested:
                    raise StopTrainingError
                self._count(self._run_trial(left.popleft(), holds))
                while left and not self._still_holds(left[0], holds):
                    left.popleft()
        finally:
            self._give_back(left, holds)

    def _still_holds(self, held: HeldTrial, holds: Holds) -> bool:
        """Whether a trial that had to wait for others is still this worker's: it may have been taken for dead."""
        is_held = self._patience("asking whether a trial is still held", partial(holds.holds, held.identity.trial_id))
        if not is_held:
            logger.warning("trial %d is no longer this worker's, which had not begun it", held.identity.number)
        return is_held

    def _give_back(self, held: Iterable[HeldTrial], holds: Holds) -> None:
        """Put trials back into the queue, as far as the database answers; else they are lost ones when this ends."""
        with contextlib.suppress(StorageError), self._repository.errors():
            for each in held:
                with contextlib.suppress(VanishedTrialError):
                    holds.give_back(each.identity.trial_id)

    def _count(self, result: TrialResult) -> None:
        self._finished += 1
        self._failures_in_a_row = self._failures_in_a_row + 1 if result.outcome is Outcome.FAILED else 0
        if self._failures_in_a_row == FAILURES_IN_A_ROW:
            raise WorkerError(f"{FAILURES_IN_A_ROW} trials in a row failed, the last one with: {result.failure}")

    def _run_trial(self, held: HeldTrial, holds: Holds) -> TrialResult:
        trial, point, identity = held
        recorder = TelemetryRecorder()
        try:
            result, autopsy = self._train(trial, point, recorder)
        except StopTrainingError:
            with contextlib.suppress(StorageError), self._repository.errors():
                if holds.holds(identity.trial_id):
                    self._repository.save_telemetry(identity.trial_id, recorder.telemetry())
                holds.give_back(identity.trial_id)
            raise
        entry = self._delivery.pack(identity, result, self._provenance, recorder.telemetry(), autopsy)
        self._delivery.deliver(entry, self._trials, trial)
        self._observer.trial_finished(trial.number, point, result)
        return result

    def _train(
        self, trial: optuna.Trial, point: Point, recorder: TelemetryRecorder
    ) -> tuple[TrialResult, Autopsy | None]:
        seed = self._definition.trial_seed(trial.number)
        config = self._definition.at(point)
        watcher = StepWatcher(self._repository, trial, point, self._stop, self._observer)
        try:
            run = self._prepared.run(config, seed=seed, on_step=watcher, recorder=recorder)
            return run.result, run.autopsy
        except (StopTrainingError, VanishedTrialError):
            raise
        except Exception as error:  # whatever a trial raises is that trial's failure, not the study's
            logger.warning("trial %d failed", trial.number, exc_info=error)
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            horizon = self._definition.fixed_horizon or 1  # another one depends on what may have failed
            return TrialResult(seed=seed, outcome=Outcome.FAILED, horizon=horizon, failure=reason), None
