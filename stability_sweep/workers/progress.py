"""What is done after every step of a trial: almost always only a look at the clock."""

from __future__ import annotations

import logging
import time

import optuna

from stability_sweep.engine import Progress, StopTrainingError
from stability_sweep.errors import StorageError
from stability_sweep.space.dimensions import Point
from stability_sweep.storage import Repository
from stability_sweep.workers.objective import report_progress, vanished
from stability_sweep.workers.observer import SweepObserver
from stability_sweep.workers.stopping import StopRequest

logger = logging.getLogger(__name__)

REPORT_INTERVAL_SECONDS = 10.0
"""How often a running trial tells Optuna its loss: a time, not a number of steps, so that fast steps cost no more."""

DISPLAY_INTERVAL_SECONDS = 0.2


class StepWatcher:
    """Called after every step of one trial.

    Args:
        repository: where the study lives.
        trial: Optuna's trial.
        point: its point.
        stop: when a stop is requested, the training ends.
        observer: shown the progress.
    """

    def __init__(
        self, repository: Repository, trial: optuna.Trial, point: Point, stop: StopRequest, observer: SweepObserver
    ) -> None:
        self._repository = repository
        self._trial = trial
        self._point = point
        self._stop = stop
        self._observer = observer
        self._next_display = time.monotonic()
        self._next_report = self._next_display + REPORT_INTERVAL_SECONDS

    def __call__(self, progress: Progress) -> None:
        """Show and report the progress if it is time.

        Raises:
            StopTrainingError: if a stop is requested.
            VanishedTrialError: if the trial was deleted meanwhile: its training leads nowhere.
        """
        if self._stop.requested:
            raise StopTrainingError
        now = time.monotonic()
        if now >= self._next_display:
            self._next_display = now + DISPLAY_INTERVAL_SECONDS
            self._observer.trial_progressed(self._trial.number, self._point, progress)
        if now >= self._next_report and progress.step < progress.horizon:
            self._next_report = now + REPORT_INTERVAL_SECONDS
            self._report(progress)

    def _report(self, progress: Progress) -> None:
        try:
            with self._repository.errors(), vanished():
                report_progress(self._trial, progress.loss, progress.step)
        except StorageError as error:  # training goes on; the result will say it all
            logger.debug("no progress report: %s", error)
