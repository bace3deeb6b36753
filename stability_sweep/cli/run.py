"""``stability-sweep run``."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stability_sweep.cli.options import (
    DataDir,
    Device,
    Storage,
    Threads,
    Timeout,
    open_repository,
)
from stability_sweep.cli.printing import say
from stability_sweep.cli.report import write_study_page
from stability_sweep.definition.files import load_definition
from stability_sweep.environment import DEFAULT_STORAGE, allow_imports
from stability_sweep.errors import StabilitySweepError
from stability_sweep.terminal.precision_words import precision_in_words


class Launcher(str, Enum):
    """Who starts worker processes."""

    LOCAL = "local"
    DASK = "dask"


class LauncherError(StabilitySweepError):
    """Options of the launcher that do not fit together."""


if TYPE_CHECKING:
    from stability_sweep.storage import Repository, StoredStudy
    from stability_sweep.workers import StopRequest


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Study definition (TOML).")],
    storage: Storage = DEFAULT_STORAGE,
    trials: Annotated[int | None, typer.Option(min=1, help="Budget of the whole study, instead of the file's.")] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Worker processes here. [default: one per allowed core, at most 8]"),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Where to write the report. [default: reports/NAME.html]")] = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.")] = False,
    data_dir: DataDir = None,
    device: Device = "auto",
    devices: Annotated[
        str | None, typer.Option(help="Devices that the workers take in turn: cpu,cuda:0,cuda:1. Instead of --device.")
    ] = None,
    threads: Threads = None,
    timeout: Timeout = None,
    launcher: Annotated[Launcher, typer.Option(help="Who starts the workers: this machine, or a dask cluster.")] = (
        Launcher.LOCAL
    ),
    scheduler: Annotated[str | None, typer.Option(help="Address of the dask scheduler: tcp://HOST:8786.")] = None,
    resources: Annotated[
        str | None, typer.Option(help="What a worker takes of a dask worker's declared resources: GPU=1,memory=2e9.")
    ] = None,
) -> None:
    """Create a study or resume it, run its trials, and write the report.

    Examples:

      stability-sweep run studies/quickstart.toml --workers 2

      stability-sweep run studies/rhvae_mnist.toml --storage postgresql://me@db/sweeps --trials 600
    """
    definition = load_definition(file)
    allow_imports(definition.imported_modules())  # whoever runs a file has chosen what it names
    if (launcher is Launcher.DASK) != (scheduler is not None):
        raise LauncherError("--launcher dask and --scheduler ADDRESS belong together: give both, or neither")

    from stability_sweep.engine.devices import resolve_device
    from stability_sweep.terminal.display import watching
    from stability_sweep.workers import StopRequest, prepare_study
    from stability_sweep.workers.launch.crew import Crew

    names = [name.strip() for name in (devices or device).split(",")]
    first_device, *_ = [resolve_device(name) for name in names]
    crew = Crew(names, first_device, workers, threads, scheduler, _parse_resources(resources), data_dir)

    repository = open_repository(storage, create=True)
    study = prepare_study(repository, definition, trials=trials, data_dir=data_dir)
    if study.dataset != definition.dataset:
        say(f"notice: {definition.trains.fallback_notice(definition.settings, study.dataset)}", err=True)
    for notice in _notices_of_design(study):
        say(f"notice: {notice}", err=True)
    stop = StopRequest(timeout if timeout is not None else definition.budget.timeout_seconds)
    with stop.on_signals():  # until the end is printed: the next signal of a storm must not change the exit code
        with watching(repository.summary(study)) as observer:
            crew.work(repository, study, stop, observer)
        _tell_end(repository, study, stop)
    if not no_report:
        write_study_page(repository, study, report)


def _parse_resources(text: str | None) -> dict[str, float]:
    """``GPU=0.5,memory=2e9`` as a dictionary."""
    shares = {}
    for part in text.split(",") if text else []:
        name, _, amount = part.partition("=")
        try:
            shares[name.strip()] = float(amount)
        except ValueError:
            raise LauncherError(f"--resources: expected NAME=NUMBER,..., such as GPU=1, got {text!r}") from None
    return shares


def _notices_of_design(study: StoredStudy) -> Iterator[str]:
    """What a design cannot tell, and what its budget cannot."""
    from stability_sweep.definition.fraction import aliased_interactions, aliases_in_words
    from stability_sweep.definition.trials_needed import shortfall_in_words

    if (shortfall := shortfall_in_words(study.definition, study.budget_trials)) is not None:
        yield shortfall
    if (blocks := study.definition.blocks) is not None and blocks.design.is_fractional:
        names = [remedy.name for remedy in blocks.remedies]
        if aliased_interactions(len(names)):
            yield aliases_in_words(names)


def _tell_end(repository: Repository, study: StoredStudy, stop: StopRequest) -> None:
    from stability_sweep.workers.stopping import INTERRUPTED_EXIT_CODE

    summary = repository.summary(study)
    done = f"{summary.finished} of {summary.budget} trials of study {study.name} have an outcome"
    if summary.finished > summary.budget:
        done = f"study {study.name} has {summary.finished} trials with an outcome, its budget is {summary.budget}"
    if stop.interrupted:
        stop.end_now()
        say(f"interrupted: {done}; run the same command again to go on", err=True)
        raise typer.Exit(INTERRUPTED_EXIT_CODE)
    say(f"{done}.", err=True)
    if (precision := precision_in_words(repository, study)) is not None:
        say(f"The 50% line is {precision}.", err=True)
