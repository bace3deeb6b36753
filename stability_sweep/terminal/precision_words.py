"""How well a study knows its 50% line, in words and in figures."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stability_sweep.analysis.precision import Precision
    from stability_sweep.storage import Repository, StoredStudy


def precision_in_words(repository: Repository, study: StoredStudy) -> str | None:
    """``known to within 0.14 decades after 83 trials (asked: 0.1). Not yet enough: ...``; None where none is asked."""
    asked = study.definition.budget.precision
    found = _present(repository, study)
    if asked is None:
        return None
    if found is None:
        return f"not known yet: too few trials for a surface (asked: within {asked:g} decades)"
    from stability_sweep.analysis.baseline import baseline_in_words

    space = study.definition.space
    return ". ".join(filter(None, [found.in_words(asked), baseline_in_words(space, space.core)]))


def precision_figures(repository: Repository, study: StoredStudy) -> dict[str, Any] | None:
    """The present figure for machines; None where no precision is asked for: it takes a second or two.

    ``why_not`` is None where it is met; without a surface yet all figures are None.
    """
    asked = study.definition.budget.precision
    found = _present(repository, study)
    if asked is None:
        return None
    if found is None:
        names = ("decades", "trials", "batch_size", "clip", "unseen", "forecast", "attainable_decades")
        return {"asked": asked, "met": False, "why_not": "too few trials for a surface", **dict.fromkeys(names)}
    reasons = found.why_not(asked)
    figures = {name: None if math.isnan(value) else value for name, value in asdict(found.forecast).items()}
    return {
        "asked": asked,
        "met": not reasons,
        "why_not": "; ".join(reasons) or None,
        **asdict(found),
        "unseen": {**asdict(found.unseen), "decades": found.unseen.decades},
        "forecast": {**figures, "passed": found.forecast.passed},
    }


def _present(repository: Repository, study: StoredStudy) -> Precision | None:
    if study.definition.budget.precision is None:
        return None
    from stability_sweep.workers.ending import present_precision

    return present_precision(repository, study)
