"""``stability-sweep report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stability_sweep.cli.options import Name, Storage, open_repository
from stability_sweep.environment import DEFAULT_STORAGE

if TYPE_CHECKING:
    from stability_sweep.storage import Repository, StoredStudy


def report(
    name: Name,
    storage: Storage = DEFAULT_STORAGE,
    output: Annotated[Path | None, typer.Option(help="The HTML file. [default: reports/NAME.html]")] = None,
) -> None:
    """Write the stability report of a study, also while it is running.

    Example:

      stability-sweep report quickstart --output /tmp/quickstart.html
    """
    repository = open_repository(storage)
    write_study_report(repository, repository.get_study(name), output)


def write_study_report(repository: Repository, study: StoredStudy, output: Path | None) -> None:
    """Write the report, and print its summary and where it is."""
    from stability_sweep.analysis import study_frame
    from stability_sweep.report import summary_sentences, write_report

    frame = study_frame(repository, study)
    definition = study.effective_definition
    path = output or Path("reports") / f"{study.name}.html"
    write_report(path, definition, frame, asked=study.definition, storage=str(repository.database))
    for sentence in summary_sentences(definition, frame):
        typer.echo(f"- {sentence}")
    typer.echo(f"Report: {path}")
