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
    study = repository.get_study(name)
    path = output or Path("reports") / f"{study.name}.html"
    for sentence in write_study_report(repository, study, path):
        typer.echo(f"- {sentence}")
    typer.echo(f"Report: {path}")


def write_study_report(repository: Repository, study: StoredStudy, path: Path) -> list[str]:
    """Write the report and return its summary, a few sentences."""
    from stability_sweep.analysis import study_frame
    from stability_sweep.report import summary_sentences, write_report

    frame = study_frame(repository, study)
    definition = study.effective_definition
    write_report(path, definition, frame, asked=study.definition, storage=str(repository.database))
    return summary_sentences(definition, frame)
