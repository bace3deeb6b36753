"""When a study may end: its 50% line is known as well as the definition asks."""

from __future__ import annotations

import logging

from stability_sweep.analysis.precision import Precision, line_precision
from stability_sweep.sources.frame import study_frame
from stability_sweep.storage import Repository, StoredStudy

logger = logging.getLogger(__name__)

EARLY = 32
"""After so many trials a precision that is out of reach is told."""

GROWTH = 1.05
"""The figure is computed anew when there are so many times as many trials as at the last time."""


def present_precision(repository: Repository, study: StoredStudy) -> Precision | None:
    """How well the study knows its 50% line now; None with too few trials to say."""
    return line_precision(
        study_frame(repository, study), study.definition.space, budget_trials=repository.summary(study).budget
    )


class PrecisionRule:
    """Whether a study knows enough. A function of its results alone, so all workers come to the same end.

    Trials that still run when it is met may widen the band again; then the study goes on.
    """

    def __init__(self, repository: Repository, study: StoredStudy) -> None:
        self._repository = repository
        self._study = study
        self._asked_decades = study.definition.budget.precision
        self._trials = 0
        self._is_met = False
        self._has_warned = False

    def is_met(self, *, exactly: bool = False) -> bool:
        """Whether the line is known well enough.

        Args:
            exactly: by all results that there are; otherwise a figure that is a few trials old will do.
        """
        if self._asked_decades is None:
            return False
        trials = self._repository.summary(self._study).finished
        is_new = trials != self._trials if exactly or self._is_met else trials >= max(1, self._trials * GROWTH)
        if is_new:
            self._trials = trials
            precision = present_precision(self._repository, self._study)
            self._is_met = precision is not None and not precision.why_not(self._asked_decades)
            if precision is not None and trials >= EARLY and not self._has_warned:
                self._warn(precision, self._asked_decades)
        return self._is_met

    def _warn(self, precision: Precision, asked_decades: float) -> None:
        """Say early that the budget cannot give what is asked for, and not when it is spent."""
        if precision.is_out_of_reach(asked_decades):
            self._has_warned = True
            logger.warning(
                "a precision of %g decades is out of reach: the outcome is chance over so wide a stretch that the "
                "budget gives about %.2g; ask for that, or for more trials",
                asked_decades,
                precision.attainable_decades,
            )


def is_over(repository: Repository, study: StoredStudy, rule: PrecisionRule | None = None) -> bool:
    """Whether a study needs no more trials: every one has an outcome, and budget or precision are reached.

    Args:
        repository: where the study lives.
        study: the study; its budget may have changed since.
        rule: one that has looked before, and need not compute again what it knows.
    """
    study = repository.get_study(study.name)
    summary = repository.summary(study)
    if summary.running or summary.waiting:
        return False
    return summary.finished >= summary.budget or (rule or PrecisionRule(repository, study)).is_met(exactly=True)
