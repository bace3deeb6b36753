"""``stability-sweep report``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stability_sweep.cli.options import Name, Storage, open_repository
from stability_sweep.cli.printing import say, say_json, say_path
from stability_sweep.definition.claims import DEFAULT_TOLERANCE
from stability_sweep.definition.files import load_claims
from stability_sweep.environment import DEFAULT_STORAGE
from stability_sweep.errors import StabilitySweepError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stability_sweep.analysis import Analysis
    from stability_sweep.definition.claims import Claim
    from stability_sweep.storage import Repository, StoredStudy

WATCH_SECONDS = 60


class Format(str, Enum):
    """Formats of a report."""

    HTML = "html"
    JSON = "json"
    PNG = "png"
    CSV = "csv"


class ReportError(StabilitySweepError):
    """Options of `report` that do not fit together."""


def report(
    name: Name,
    other: Annotated[str | None, typer.Argument(metavar="[OTHER]", help="Compare with this study.")] = None,
    storage: Storage = DEFAULT_STORAGE,
    output: Annotated[
        Path | None,
        typer.Option(help="The file, or for png and csv the folder. [default: reports/NAME.html; JSON is printed]"),
    ] = None,
    file_format: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.HTML,
    tolerance: Annotated[
        float, typer.Option(min=0.001, max=0.5, help="P(diverge) up to which a setting is called safe.")
    ] = DEFAULT_TOLERANCE,
    claims: Annotated[
        Path | None, typer.Option(help="Judge the [[claims]] of this TOML file instead of the study's.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Write it anew every minute until the study ends.")] = False,
) -> None:
    """Write the stability report of a study, also while it is running; or compare two studies.

    Examples:

      stability-sweep report quickstart --output /tmp/quickstart.html

      stability-sweep report quickstart --format json | jq .summary

      stability-sweep report before after --output comparison.html
    """
    if (other or watch) and file_format is not Format.HTML:
        raise ReportError("a comparison and --watch write HTML: leave --format out")
    if other and (watch or claims):
        raise ReportError("a comparison takes neither --watch nor --claims: leave them out")
    if other == name:
        raise ReportError(f"expected two studies to compare, got {name!r} twice")
    judged = load_claims(claims) if claims else None
    repository = open_repository(storage)
    study = repository.get_study(name)
    if other:
        _compare(repository, study, repository.get_study(other), output, tolerance)
    elif watch:
        _watch(repository, study, output, tolerance, judged)
    elif file_format is Format.HTML:
        write_study_page(repository, study, output, tolerance=tolerance, claims=judged)
    else:
        _write_as(file_format, repository, study, output, tolerance, judged)


def write_study_page(
    repository: Repository,
    study: StoredStudy,
    output: Path | None,
    *,
    tolerance: float = DEFAULT_TOLERANCE,
    claims: Sequence[Claim] | None = None,
    refresh_seconds: int | None = None,
) -> None:
    """Write the HTML report, and print its summary and where it is."""
    from stability_sweep.report import summary_sentences, write_study_report
    from stability_sweep.sources import StoredSource

    path = output or Path("reports") / f"{study.name}.html"
    source = StoredSource(repository, study, claims)
    analysis = write_study_report(source, path, tolerance=tolerance, refresh_seconds=refresh_seconds)
    for sentence in summary_sentences(analysis):
        say(f"- {sentence}")
    say(f"Report: {path}")


def _watch(
    repository: Repository,
    study: StoredStudy,
    output: Path | None,
    tolerance: float,
    claims: Sequence[Claim] | None,
) -> None:
    from stability_sweep.workers.stopping import StopRequest
    from stability_sweep.workers.watching import follow

    def write(is_last: bool) -> None:
        refresh = None if is_last else WATCH_SECONDS
        write_study_page(repository, study, output, tolerance=tolerance, claims=claims, refresh_seconds=refresh)

    stop = StopRequest()
    with stop.on_signals():
        follow(repository, study, write, every_seconds=WATCH_SECONDS, stop=stop)


def _write_as(
    file_format: Format,
    repository: Repository,
    study: StoredStudy,
    output: Path | None,
    tolerance: float,
    claims: Sequence[Claim] | None,
) -> None:
    from stability_sweep.report import analyse_study
    from stability_sweep.report.files.csv_file import write_csv_files
    from stability_sweep.report.files.json_file import report_json, write_json
    from stability_sweep.report.files.pictures import write_pictures
    from stability_sweep.report.panels.registry import report_sections
    from stability_sweep.sources import StoredSource

    analysis: Analysis = analyse_study(StoredSource(repository, study, claims), tolerance=tolerance)
    if file_format is Format.JSON and output is None:
        say_json(report_json(analysis))
        return
    if file_format is Format.JSON:
        assert output is not None
        write_json(output, analysis)
        say(f"Report: {output}")
        return
    folder = output or Path("reports") / study.name
    written = (
        write_csv_files(folder, analysis)
        if file_format is Format.CSV
        else write_pictures(folder, report_sections(analysis))
    )
    for path in written:
        say_path(path)


def _compare(
    repository: Repository, study: StoredStudy, other: StoredStudy, output: Path | None, tolerance: float
) -> None:
    from stability_sweep.report import analyse_study, write_comparison
    from stability_sweep.sources import StoredSource

    path = output or Path("reports") / f"{study.name}-and-{other.name}.html"
    first, second = (analyse_study(StoredSource(repository, each), tolerance=tolerance) for each in (study, other))
    write_comparison(path, first, second, storage=str(repository))
    say(f"Comparison: {path}")
