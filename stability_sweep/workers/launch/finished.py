"""What a launcher sees of its workers' trials: their results, as they come into the database."""

from __future__ import annotations

from stability_sweep.storage import Repository, StoredStudy
from stability_sweep.workers.observer import SweepObserver


class FinishedTrials:
    """Tells an observer about results that were not there before."""

    def __init__(self, repository: Repository, study: StoredStudy) -> None:
        self._repository = repository
        self._study = study
        self._seen = {stored.number for stored in repository.results(study)}
        self._all_seen_up_to = -1

    def tell(self, observer: SweepObserver) -> None:
        """Tell it about those that are new since the last time."""
        while self._all_seen_up_to + 1 in self._seen:
            self._all_seen_up_to += 1
        for stored in self._repository.results(self._study, after_number=self._all_seen_up_to):
            if stored.number not in self._seen:
                self._seen.add(stored.number)
                point = self._repository.point(self._study, stored.trial_id)
                observer.trial_finished(stored.number, point, stored.result)
