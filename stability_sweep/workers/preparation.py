"""From a definition to a study in the database: created once, resumed ever after."""

from __future__ import annotations

import logging
from pathlib import Path

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.errors import StudyError
from stability_sweep.storage import Repository, StoredStudy

logger = logging.getLogger(__name__)


def prepare_study(
    repository: Repository,
    definition: StudyDefinition,
    *,
    trials: int | None = None,
    data_dir: Path | None = None,
) -> StoredStudy:
    """Create the study, or find it again, and set its budget and what else may change.

    Args:
        repository: where the study lives.
        definition: what the study is.
        trials: the study's whole budget from now on; if absent, the definition's, or a larger one set earlier.
        data_dir: folder with the data, for a new study.

    Raises:
        DefinitionError: if this machine cannot run it.
        StudyError: if the study exists with another definition and has trials; the message shows every difference.
        DataError: if a new study's data set is not to be had.
    """
    definition.check_here()
    study = repository.find_study(definition.name)
    if study is None:
        _check_budget(definition, trials)
        study = repository.create_study(definition, _dataset(definition, data_dir))
    if _differs(study, definition):
        _check_budget(definition, trials)
        study = _replaced(repository, study, definition, data_dir)
    if study.definition != definition:
        study = repository.revise(study, definition)
    repository.mark_in_optuna(study)
    if trials is not None:
        budget = trials
    else:
        budget = max(study.budget_trials, definition.budget.trials)
        if budget > definition.budget.trials:
            logger.warning(
                "study %r keeps its budget of %d trials, which is larger than the %d of this definition; to lower it, "
                "give --trials %d",
                study.name,
                budget,
                definition.budget.trials,
                definition.budget.trials,
            )
    _check_budget(definition, budget)
    return study if budget == study.budget_trials else repository.set_budget(study, budget)


def _dataset(definition: StudyDefinition, data_dir: Path | None) -> str:
    """The data set that a new study will use; what cannot be used is refused before anything is stored."""
    dataset = definition.trains.dataset_here(definition.settings, data_dir)
    definition.on(dataset)
    return dataset


def _differs(study: StoredStudy, definition: StudyDefinition) -> bool:
    """Whether the definition is another study's; a study that was renamed in its database may bear either name."""
    return study.definition.named(definition.name).fingerprint != definition.fingerprint


def _replaced(
    repository: Repository, study: StoredStudy, definition: StudyDefinition, data_dir: Path | None
) -> StoredStudy:
    """The study with another definition, which only one without any trial can get."""
    replaced = repository.replace_definition(study, definition, _dataset(definition, data_dir))
    if replaced is not None:
        logger.warning("study %r had no trial yet: it takes this definition instead of its old one", study.name)
        return replaced
    raise StudyError(
        f"study {definition.name!r} exists in {repository} with another definition; give this one "
        f"another name, or another --storage. Stored -> given:",
        *(f"  {line}" for line in study.definition.differences(definition)),
    )


def _check_budget(definition: StudyDefinition, budget: int | None) -> None:
    if budget is None:
        return
    size = definition.grid_trials
    if definition.sampler.kind.is_grid and budget > size:
        raise StudyError(f"study {definition.name!r} is a grid of {size} trials; a budget of {budget} is too large")
    if definition.blocks is not None and (mistake := definition.blocks.too_small(budget)) is not None:
        raise StudyError(f"study {definition.name!r}: {mistake}")
