"""``stability-sweep replay``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stability_sweep.cli.options import (
    AsJson,
    DataDir,
    Name,
    Storage,
    TrialNumber,
    open_repository,
)
from stability_sweep.cli.printing import say, say_json
from stability_sweep.environment import DEFAULT_STORAGE
from stability_sweep.errors import OutputError, StudyError

if TYPE_CHECKING:
    from stability_sweep.results.outcome import TrialResult
    from stability_sweep.workers.replay import Replay


def replay(
    name: Name,
    trial: TrialNumber,
    storage: Storage = DEFAULT_STORAGE,
    save: Annotated[
        Path | None,
        typer.Option(help="Write weights, batch and noise of the step that broke to this file, with a script beside."),
    ] = None,
    data_dir: DataDir = None,
    device: Annotated[str | None, typer.Option(help="Device. [default: the trial's own, if it is here]")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads. [default: the trial's own]")] = None,
    as_json: AsJson = False,
) -> None:
    """Train a trial again from its seed and say whether it ended in the same step with the same bits.

    Example:

      stability-sweep replay quickstart 7 --save nan.pt
    """
    repository = open_repository(storage)
    study = repository.get_study(name)
    stored_trial = repository.trial(study, trial)
    stored = stored_trial.finished()
    telemetry = repository.telemetry(stored_trial.trial_id)
    reproducer = study.definition.trains.reproducer
    if save is not None:
        if reproducer is None:
            raise StudyError(
                f"--save: the target {study.definition.target!r} has no reproducer, a program that repeats a saved "
                f"step, so there is nothing to save"
            )
        _check_saving(save, trial, stored.result)

    from stability_sweep.engine.devices import resolve_device, set_threads
    from stability_sweep.workers.replay import broken_step_bytes
    from stability_sweep.workers.replay import replay as replay_trial

    set_threads(threads if threads is not None else stored.provenance.threads)
    place = resolve_device(device or _device_here(stored.provenance.device))
    prepared = study.effective_definition.prepare(data_dir=data_dir, device=place)
    done = replay_trial(study, stored_trial, telemetry, prepared)
    if as_json:
        say_json(_as_json(done))
    else:
        _tell(done, trial, study.name)
    if save is None or reproducer is None:
        return
    if done.run.broken_step is None:
        raise StudyError(f"--save: trial {trial} did not diverge here, so there is no broken step to save")
    from stability_sweep.report.files.writing import PRIVATE, write_output

    script = save.with_suffix(".py")
    # The definition's name, which is checked: what Optuna calls the study may be any text, and this becomes a program.
    text = reproducer.format(step=done.here.steps, number=trial, study=study.definition.name, file=save.name)
    write_output(save, broken_step_bytes(prepared, done.run), mode=PRIVATE)
    write_output(script, text.encode(), mode=PRIVATE)
    say(f"Saved: {save}; run `python {script}` to see it break", err=as_json)


def _check_saving(path: Path, number: int, result: TrialResult) -> None:
    """Before anything is trained: a mistake should not cost the time of a trial."""
    if result.divergence is None:
        raise StudyError(f"--save: trial {number} is {result.outcome.value}: it has no broken step to save")
    if path.suffix == ".py" or path.is_dir():
        raise OutputError(f"--save: expected the name of a new file such as nan.pt, got {path}")

    from stability_sweep.report.files.writing import check_place
    from stability_sweep.workers.replay import SCRIPT_BEGINS

    script = path.with_suffix(".py")
    for place in (path, script):
        check_place(place, only_files=True)
    if script.exists() and not script.read_text(encoding="utf-8", errors="replace").startswith(SCRIPT_BEGINS):
        raise OutputError(f"--save: {script}, where the script would go, is another program; choose another name")


def _device_here(recorded: str) -> str:
    import torch

    return recorded if recorded == "cpu" or torch.cuda.is_available() else "cpu"


def _tell(done: Replay, number: int, study: str) -> None:
    from stability_sweep.terminal.trial import describe_result

    say(f"trial {number} of study {study}")
    say(f"then   {describe_result(done.then)}")
    say(f"here   {describe_result(done.here)}")
    if done.same_bits:
        say(f"same end, and the same bits at all {done.compared_steps} steps that telemetry kept")
    elif not done.compared_steps:
        say("the trial has no telemetry, so only the ends can be compared" + (": the same" * done.same_end))
    elif done.first_difference is not None:
        end = "the same end, but other" if done.same_end else "another end, and other"
        say(f"{end} numbers from step {done.first_difference} on (steps kept by telemetry)")
    else:
        say("the same bits at every step that telemetry kept, but another end")
    for line in done.differences:
        say(f"differs  {line}")
    if not done.differences:
        say("torch version, device, threads and processor are the same")


def _as_json(done: Replay) -> dict[str, object]:
    from stability_sweep.terminal.trial import result_json

    return {
        "then": result_json(done.then),
        "here": result_json(done.here),
        "same_end": done.same_end,
        "same_bits": done.same_bits,
        "compared_steps": done.compared_steps,
        "first_difference": done.first_difference,
        "differences": done.differences,
    }
