"""One process's loop: take a trial, train it, store the result, tell Optuna."""

from __future__ import annotations

import logging
import time

import optuna
from optuna.trial import TrialState

from stability_sweep.autopsy import Autopsy
from stability_sweep.data.images import Images
from stability_sweep.errors import WorkerError
from stability_sweep.models import decoder_class, encoder_class
from stability_sweep.outcome import Outcome, TrialResult
from stability_sweep.sampling import assign_grid_point, build_sampler, suggest_point
from stability_sweep.search_space import Point
from stability_sweep.storage import Repository, StoredStudy
from stability_sweep.storage.database import storage_errors
from stability_sweep.storage.repository import WORKER_ATTRIBUTE
from stability_sweep.sweep.objective import report_progress, tell
from stability_sweep.sweep.observer import SilentObserver, SweepObserver
from stability_sweep.sweep.provenance import provenance_here
from stability_sweep.sweep.stopping import StopRequest
from stability_sweep.training import Progress, StopTrainingError, TelemetryRecorder, train, trial_seed

logger = logging.getLogger(__name__)

REPORT_INTERVAL_SECONDS = 10.0
"""How often a running trial tells Optuna its loss: a time, not a number of steps, so that fast steps cost no more."""

DISPLAY_INTERVAL_SECONDS = 0.2

FAILURES_IN_A_ROW = 3
"""After so many failed trials a worker gives up: the cause is not in the trials."""


class Worker:
    """Runs trials of one study until its budget is used up or a stop is requested."""

    def __init__(
        self,
        repository: Repository,
        study: StoredStudy,
        images: Images,
        stop: StopRequest,
        observer: SweepObserver | None = None,
    ) -> None:
        self._repository = repository
        self._stored = study
        self._definition = study.effective_definition
        # A user's networks must be importable here: told before the first trial, not by its failure.
        encoder_class(self._definition.model)
        decoder_class(self._definition.model)
        self._images = images
        self._stop = stop
        self._observer: SweepObserver = observer or SilentObserver()
        # One cached view for the study and for us: Optuna's cache must see every trial that we create.
        self._storage = optuna.storages.get_storage(repository.database.optuna_storage)
        self._study = optuna.load_study(
            study_name=study.name, storage=self._storage, sampler=build_sampler(self._definition)
        )
        self._provenance = provenance_here(images.training.device)

    def run(self) -> int:
        """Run trials; return how many this worker finished.

        Raises:
            WorkerError: if trials fail one after the other.
            StorageError: if the database is lost.
        """
        finished = failures = 0
        with storage_errors(self._repository.database.url):
            while not self._stop.requested:
                trial = self._claim()
                if trial is None:
                    break
                try:
                    result = self._run_trial(trial)
                except StopTrainingError:
                    break
                finished += 1
                failures = failures + 1 if result.outcome is Outcome.FAILED else 0
                if failures == FAILURES_IN_A_ROW:
                    raise WorkerError(f"{failures} trials in a row failed, the last one with: {result.failure}")
        return finished

    def _claim(self) -> optuna.Trial | None:
        """A trial that waits (a repeat, or one given back), or a new one if the budget allows it."""
        waiting = self._storage.get_all_trials(self._stored.study_id, deepcopy=False, states=(TrialState.WAITING,))
        for frozen in waiting:
            if self._storage.set_trial_state_values(frozen._trial_id, TrialState.RUNNING):
                return optuna.Trial(self._study, frozen._trial_id)
        repeats = self._definition.budget.repeats
        places = self._repository.grant_trials(self._stored, repeats)
        if not places:
            return None
        trial_id = self._storage.create_new_trial(self._stored.study_id)
        if self._definition.sampler.name == "grid":
            assign_grid_point(self._storage, trial_id, self._definition, places.start // repeats)
        trial = optuna.Trial(self._study, trial_id)
        suggest_point(trial, self._definition)
        for _ in places[1:]:
            self._study.enqueue_trial(trial.params)
        return trial

    def _run_trial(self, trial: optuna.Trial) -> TrialResult:
        trial.set_user_attr(WORKER_ATTRIBUTE, self._provenance.worker)
        point = suggest_point(trial, self._definition)
        recorder = TelemetryRecorder()
        try:
            result, autopsy = self._train(trial, point, recorder)
        except StopTrainingError:
            self._repository.save_telemetry(trial._trial_id, recorder.telemetry())
            # Back to the queue: whoever takes it next finds the same point, and the number gives the same seed.
            self._storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
            raise
        frozen = self._storage.get_trial(trial._trial_id)
        self._repository.save_result(
            self._stored, frozen, result, self._provenance, telemetry=recorder.telemetry(), autopsy=autopsy
        )
        tell(self._study, trial, result)
        self._observer.trial_finished(trial.number, point, result)
        return result

    def _train(
        self, trial: optuna.Trial, point: Point, recorder: TelemetryRecorder
    ) -> tuple[TrialResult, Autopsy | None]:
        seed = trial_seed(self._definition.seed, trial.number)
        config = self._definition.at(point)
        watcher = _StepWatcher(trial, point, self._stop, self._observer)
        try:
            run = train(config, self._images, seed=seed, on_step=watcher, recorder=recorder)
            return run.result, run.autopsy
        except StopTrainingError:
            raise
        except Exception as error:  # whatever a trial raises is that trial's failure, not the study's
            logger.warning("trial %d failed", trial.number, exc_info=error)
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            horizon = config.training.horizon_steps or 1  # in epochs it depends on what may have failed
            return TrialResult(seed=seed, outcome=Outcome.FAILED, horizon=horizon, failure=reason), None


class _StepWatcher:
    """Called after every step; almost always it only looks at the clock."""

    def __init__(self, trial: optuna.Trial, point: Point, stop: StopRequest, observer: SweepObserver) -> None:
        self._trial = trial
        self._point = point
        self._stop = stop
        self._observer = observer
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
            report_progress(self._trial, progress.loss, progress.step)
