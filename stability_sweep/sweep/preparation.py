"""From a definition to a study in the database: created once, resumed ever after."""

from __future__ import annotations

from pathlib import Path

from stability_sweep.data import available_dataset
from stability_sweep.definition import StudyDefinition
from stability_sweep.errors import StudyError
from stability_sweep.storage import Repository, StoredStudy


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
        data_dir: folder with MNIST, for a new study.

    Raises:
        StudyError: if the study exists with another definition; the message shows every difference.
        DataError: if a new study's data set is not to be had.
    """
    study = repository.find_study(definition.name)
    if study is None:
        dataset = available_dataset(definition.data, data_dir)
        definition.on(dataset)  # refuses a data set that is too small, before anything is stored
        study = repository.create_study(definition, dataset)
    if study.definition.fingerprint != definition.fingerprint:
        differences = "\n".join(f"  {line}" for line in study.definition.differences(definition))
        raise StudyError(
            f"study {definition.name!r} exists in {repository.database} with another definition; give this one "
            f"another name, or another --storage. Stored -> given:\n{differences}"
        )
    if study.definition != definition:
        study = repository.revise(study, definition)
    budget = trials if trials is not None else max(study.budget_trials, definition.budget.trials)
    _check_grid_budget(definition, budget)
    return study if budget == study.budget_trials else repository.set_budget(study, budget)


def _check_grid_budget(definition: StudyDefinition, budget: int) -> None:
    size = definition.grid_trials
    if definition.sampler.name == "grid" and budget > size:
        raise StudyError(f"study {definition.name!r} is a grid of {size} trials; a budget of {budget} is too large")
