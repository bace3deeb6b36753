"""``stability-sweep show``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stability_sweep.cli.options import AsJson, Name, Storage, open_repository
from stability_sweep.cli.printing import say, say_json
from stability_sweep.environment import DEFAULT_STORAGE
from stability_sweep.errors import StudyError

if TYPE_CHECKING:
    from stability_sweep.storage import Repository, StoredStudy, StoredTrial

ORIGIN_COLUMNS = {
    "origin": "origin",
    "cause": "cause",
    "trials": "trials",
    "median_step": "median step",
    "lowest_learning_rate": "lowest rate",
    "highest_learning_rate": "highest rate",
}
WARNING_COLUMNS = {
    "signal": "signal",
    "warned": "warned",
    "diverged": "of diverged",
    "lead_steps": "median lead, steps",
    "shortest_lead_steps": "shortest",
    "longest_lead_steps": "longest",
    "false_alarms": "false alarms",
    "stable": "of stable",
}


def show(
    name: Name,
    trial: Annotated[int | None, typer.Argument(min=0, metavar="[TRIAL]", help="Number of a trial.")] = None,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Show what happened in a trial; without a trial, where divergence began in the study and what warned of it.

    Examples:

      stability-sweep show quickstart 7

      stability-sweep show quickstart
    """
    repository = open_repository(storage)
    study = repository.get_study(name)
    if trial is None:
        _show_study(repository, study, as_json)
    else:
        _show_trial(repository, study, trial, as_json)


def _show_trial(repository: Repository, study: StoredStudy, number: int, as_json: bool) -> None:
    from stability_sweep.terminal.trial import trial_json, trial_lines

    trial = repository.trial(study, number)
    if trial.state == "running":
        trial.finished()  # says who runs it
    target = study.definition.trains
    telemetry, autopsy = repository.telemetry(trial.trial_id), repository.autopsy(trial.trial_id)
    if trial.stored is None and telemetry is None:
        trial.finished()
    twin = _baseline_twin(repository, study, trial)
    if as_json:
        known = {"baseline_twin": twin} if study.definition.design.paired else {}
        say_json({"study": study.name, **trial_json(trial, telemetry, autopsy, target), **known})
        return
    say(f"trial {number} of study {study.name}" + ("" if twin is None else f" (baseline twin: trial {twin})"))
    for line in trial_lines(trial, telemetry, autopsy, target):
        say(line)


def _baseline_twin(repository: Repository, study: StoredStudy, trial: StoredTrial) -> int | None:
    """The trial without any remedy in its block; None where there is none, or somebody enqueued another point."""
    blocks = study.definition.blocks
    twin = None if blocks is None else blocks.baseline_twin(trial.number)
    if blocks is None or twin is None:
        return None
    try:
        point = repository.trial(study, twin).point
    except StudyError:  # somebody has deleted it
        return None
    return twin if blocks.differ_in_remedies_only(trial.point, point) else None


def _show_study(repository: Repository, study: StoredStudy, as_json: bool) -> None:
    from stability_sweep.analysis import divergence_origins, warning_signs
    from stability_sweep.analysis.forensics import MOST_TRIALS_PER_OUTCOME
    from stability_sweep.engine.signals import with_extra
    from stability_sweep.report.files.json_file import json_rows
    from stability_sweep.sources.frame import study_frame
    from stability_sweep.terminal.trial import table_lines

    origins = divergence_origins(study_frame(repository, study), study.definition.space)
    measured = repository.telemetries(study, most_per_outcome=MOST_TRIALS_PER_OUTCOME)
    signs = warning_signs(
        ((stored.result, telemetry) for stored, telemetry in measured), with_extra(study.definition.trains.signals)
    )
    if as_json:
        tables = {"origins": origins, "warning_signs": signs}
        say_json({"study": study.name, **{key: json_rows(table) for key, table in tables.items()}})
        return
    if origins.empty:
        say("no trial has diverged")
        return
    for line in table_lines(origins.to_dict("records"), ORIGIN_COLUMNS):  # type: ignore[arg-type]
        say(line)
    say("")
    if signs.empty:
        say("fewer than 5 trials are stable and have telemetry: what is usual is not known")
        return
    for line in table_lines(signs.to_dict("records"), WARNING_COLUMNS):  # type: ignore[arg-type]
        say(line)
