"""How well a study knows its 50% line, in words and in figures."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stability_sweep.storage import Repository, StoredStudy


def precision_in_words(repository: Repository, study: StoredStudy) -> str | None:
    """``known to within 0.14 decades after 83 trials (asked: 0.1; ...)``; None where no precision is asked for."""
    asked = study.definition.budget.precision
    found = precision_figures(repository, study)
    if found is None:
        return None
    if found["decades"] is None:
        return f"not known yet: too few trials for a surface (asked: within {asked:g} decades)"
    from stability_sweep.analysis.baseline import baseline_in_words

    standing = baseline_in_words(study.definition.space, study.definition.space.core)
    return (
        f"known to within {found['decades']:.2g} decades after {found['trials']} trials (asked: {asked:g}; least known "
        f"at batch size {found['batch_size']:g}, clip norm {found['clip']}){standing and f'. {standing}'}"
    )


def precision_figures(repository: Repository, study: StoredStudy) -> dict[str, Any] | None:
    """The present figure for machines; None where no precision is asked for: it takes a second or two."""
    asked = study.definition.budget.precision
    if asked is None:
        return None
    from stability_sweep.workers.ending import present_precision

    found = present_precision(repository, study)
    figures = dict.fromkeys(("decades", "trials", "batch_size", "clip")) if found is None else asdict(found)
    return {"asked": asked, **figures}
