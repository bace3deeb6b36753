"""One process's loop: take a trial, train it, store the result, tell Optuna."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable

import optuna
import torch

from stability_sweep.engine import Progress, StopTrainingError, TelemetryRecorder
from stability_sweep.engine.seeds import trial_seed
from stability_sweep.errors import ForeignResultError, OutageError, StorageError, WorkerError
from stability_sweep.results.autopsy import Autopsy
from stability_sweep.results.outcome import Outcome, TrialResult
from stability_sweep.sampling import build_sampler
from stability_sweep.space.dimensions import Point
from stability_sweep.storage import Repository, StoredStudy
from stability_sweep.storage.fleet import Fleet
from stability_sweep.storage.outages import storage_errors
from stability_sweep.sweep.claims import ClaimedTrial, Claims
from stability_sweep.sweep.cores import allowed_cores
from stability_sweep.sweep.heartbeat import GRACE_BEATS, Heartbeat, heartbeat_seconds
from stability_sweep.sweep.objective import VanishedTrialError, report_progress, tell, vanished
from stability_sweep.sweep.observer import SilentObserver, SweepObserver
from stability_sweep.sweep.patience import Patience
from stability_sweep.sweep.provenance import provenance_here
from stability_sweep.sweep.spool import Spool, SpooledResult
from stability_sweep.sweep.stopping import StopRequest
from stability_sweep.targets.protocol import Prepared

logger = logging.getLogger(__name__)

REPORT_INTERVAL_SECONDS = 10.0
"""How often a running trial tells Optuna its loss: a time, not a number of steps, so that fast steps cost no more."""

DISPLAY_INTERVAL_SECONDS = 0.2

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
        stop: when a stop is requested, the running trial goes back to the queue.
        observer: told about this worker's trials.
        shares_cores: before every trial, take this worker's share of the cores that it is allowed: as many threads as
            there are cores for every worker that lives on this host. Otherwise torch's threads stay as they are.
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
        # A user's code must be importable here: told before the first trial, not by its failure.
        self._definition.check_here()
        self._prepared = prepared
        self._stop = stop
        self._observer: SweepObserver = observer or SilentObserver()
        self._finished = 0
        self._provenance = provenance_here(prepared.device)
        self._study = self._fresh_view()
        self._fleet = Fleet(repository.database, study)
        self._spool = Spool(repository.database)
        self._patiently = Patience(repository.database.url, stop)
        self._interval_seconds = heartbeat_seconds()
        self._grace_seconds = GRACE_BEATS * self._interval_seconds

    def _fresh_view(self) -> optuna.Study:
        """Optuna's study, with one cache for it and for us: that must see every trial that we create."""
        storage = optuna.storages.get_storage(self._repository.database.optuna_storage)
        sampler = build_sampler(self._definition)
        with storage_errors(self._repository.database.url):
            try:
                return optuna.load_study(study_name=self._stored.name, storage=storage, sampler=sampler)
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
            self._patiently("tidying up", self._repository.database.tidy)
            self._patiently("delivering the spool", self._deliver_spool)
            worker_id = self._patiently("joining the study", self._join)
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
                    self._fleet.leave(worker_id)

    def _join(self, worker_id: str | None = None) -> str:
        host, _, process_id = self._provenance.worker.rpartition(":")
        return self._fleet.join(
            host=host,
            process_id=int(process_id),
            device=self._provenance.device,
            grace_seconds=self._grace_seconds,
            worker_id=worker_id,
        )

    def _beat(self, worker_id: str) -> None:
        if not self._fleet.beat(worker_id):  # the database was restored from a time before this worker joined
            self._join(worker_id)

    def _claims(self, worker_id: str, heartbeat: Heartbeat) -> Claims:
        return Claims(
            self._repository,
            self._stored,
            self._study,
            self._fleet,
            worker_id,
            self._provenance,
            heartbeat,
            grace_seconds=self._grace_seconds,
        )

    def _work(self, worker_id: str, heartbeat: Heartbeat) -> int:
        claims = self._claims(worker_id, heartbeat)
        failures, pause = 0, SHORTEST_POLL_SECONDS
        longest_poll_seconds = min(self._interval_seconds, LONGEST_POLL_SECONDS)
        while not self._stop.requested:
            try:
                claimed = self._patiently("asking for a trial", claims.next_trial)
                if claimed is None:
                    if self._patiently("asking whether the study is finished", claims.is_finished):
                        break
                    self._stop.wait(pause)
                    pause = min(2 * pause, longest_poll_seconds)
                    continue
                pause = SHORTEST_POLL_SECONDS
                if self._shares_cores:
                    self._take_share_of_cores()
                result = self._run_trial(claimed, claims)
            except StopTrainingError:
                break
            except (VanishedTrialError, ForeignResultError) as error:
                logger.warning("%s; this worker looks at the study anew", error)
                self._study = self._patiently("opening the study anew", self._fresh_view)
                claims = self._claims(worker_id, heartbeat)
                continue
            self._finished += 1
            failures = failures + 1 if result.outcome is Outcome.FAILED else 0
            if failures == FAILURES_IN_A_ROW:
                raise WorkerError(f"{failures} trials in a row failed, the last one with: {result.failure}")
        return self._finished

    def _take_share_of_cores(self) -> None:
        """Set torch's threads for the next trial: its provenance tells them, since they may change its last bits."""
        host, _, _ = self._provenance.worker.rpartition(":")
        try:
            neighbours = self._fleet.living_on(host)
        except StorageError as error:  # the share stays as it was
            logger.debug("no look at the other workers of this host: %s", error)
            return
        threads = max(1, allowed_cores() // max(1, neighbours))
        if threads != torch.get_num_threads():
            torch.set_num_threads(threads)
            self._provenance = provenance_here(self._prepared.device)

    def _run_trial(self, claimed: ClaimedTrial, claims: Claims) -> TrialResult:
        trial, point, identity = claimed
        recorder = TelemetryRecorder()
        try:
            result, autopsy = self._train(trial, point, recorder)
        except StopTrainingError:
            with contextlib.suppress(StorageError), storage_errors(self._repository.database.url):
                if claims.holds(trial._trial_id):
                    self._repository.save_telemetry(trial._trial_id, recorder.telemetry())
                claims.give_back(trial._trial_id)
            raise
        telemetry = recorder.telemetry()
        entry = SpooledResult(
            study=self._stored.name,
            sqlite_file=self._spool.sqlite_file,
            identity=identity,
            result=result,
            provenance=self._provenance,
            telemetry_bytes=telemetry.to_bytes() if len(telemetry.steps) else None,
            autopsy_bytes=None if autopsy is None else autopsy.to_bytes(),
        )
        self._store(trial, entry)
        self._observer.trial_finished(trial.number, point, result)
        return result

    def _store(self, trial: optuna.Trial, entry: SpooledResult) -> None:
        """Store a result, and then tell Optuna; through an outage it is kept in the spool.

        Raises:
            ForeignResultError: if the trial is no longer there; the result is put aside.
            StorageError: if the database cannot take it for another reason; the result stays in the spool.
        """
        what = f"storing the result of trial {entry.number}"
        try:
            try:
                with storage_errors(self._repository.database.url):
                    self._deliver(entry, trial)
            except OutageError:
                self._spool.keep(entry)
                self._patiently(what, lambda: self._deliver(entry))
                self._spool.forget(entry)
        except ForeignResultError as error:
            self._spool.put_aside(entry, error)
            raise
        except OutageError:
            raise
        except StorageError:
            self._spool.keep(entry)
            raise
        except optuna.exceptions.UpdateFinishedTrialError:
            logger.warning("trial %d was finished by another worker, which took this one for dead", entry.number)

    def _deliver(self, entry: SpooledResult, trial: optuna.Trial | None = None) -> None:
        """Store a result and tell Optuna; what was done before is left as it is."""
        self._repository.save_result(
            self._stored,
            entry.identity.trial_id,
            entry.number,
            entry.result,
            entry.provenance,
            telemetry=entry.telemetry_bytes,
            autopsy=entry.autopsy_bytes,
            identity=entry.identity,
        )
        try:
            tell(self._study, entry.identity.trial_id if trial is None else trial, entry.result, entry.provenance)
        except KeyError as error:
            raise ForeignResultError(
                f"trial {entry.number} of study {self._stored.name!r} was deleted while its result was stored"
            ) from error

    def _deliver_spool(self) -> None:
        for entry in list(self._spool.entries(self._stored)):
            try:
                self._deliver(entry)
            except ForeignResultError as error:
                self._spool.put_aside(entry, error)
            else:
                logger.warning("the result of trial %d was delivered from the spool", entry.number)
                self._spool.forget(entry)

    def _report_progress(self, trial: optuna.Trial, progress: Progress) -> None:
        """Tell Optuna a running trial's loss.

        Raises:
            VanishedTrialError: if the trial was deleted meanwhile: its training leads nowhere.
        """
        try:
            with storage_errors(self._repository.database.url), vanished():
                report_progress(trial, progress.loss, progress.step)
        except StorageError as error:  # training goes on; the result will say it all
            logger.debug("no progress report: %s", error)

    def _train(
        self, trial: optuna.Trial, point: Point, recorder: TelemetryRecorder
    ) -> tuple[TrialResult, Autopsy | None]:
        seed = trial_seed(self._definition.seed, trial.number)
        config = self._definition.at(point)
        watcher = _StepWatcher(trial, point, self._stop, self._observer, self._report_progress)
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


class _StepWatcher:
    """Called after every step; almost always it only looks at the clock."""

    def __init__(
        self,
        trial: optuna.Trial,
        point: Point,
        stop: StopRequest,
        observer: SweepObserver,
        report: Callable[[optuna.Trial, Progress], None],
    ) -> None:
        self._trial = trial
        self._point = point
        self._stop = stop
        self._observer = observer
        self._report = report
        self._next_display = time.monotonic()
        self._next_report = self._next_display + REPORT_INTERVAL_SECONDS

    def __call__(self, progress: Progress) -> None:
        if self._stop.requested:
            raise StopTrainingError
        now = time.monotonic()
        if now >= self._next_display:
            self._next_display = now + DISPLAY_INTERVAL_SECONDS
            self._observer.trial_progressed(self._trial.number, self._point, progress)
        if now >= self._next_report and progress.step < progress.horizon:
            self._next_report = now + REPORT_INTERVAL_SECONDS
            self._report(self._trial, progress)
