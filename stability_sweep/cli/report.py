"""``stability-sweep report``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    others: Annotated[
        list[str] | None,
        typer.Argument(metavar="[OTHER]...", help="Compare with these studies; NAME is their baseline."),
    ] = None,
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
    """Write the stability report of a study, also while it is running; or compare several studies.

    Examples:

      stability-sweep report quickstart --output /tmp/quickstart.html

      stability-sweep report quickstart --format json | jq .summary

      stability-sweep report before after --output comparison.html

      stability-sweep report plain warmup clipped --format json | jq .remedies
    """
    names = [name, *(others or [])]
    _check_together(names, file_format, watch=watch, has_claims=claims is not None)
    judged = load_claims(claims) if claims else None
    repository = open_repository(storage)
    study, *compared = [repository.get_study(each) for each in names]
    if compared:
        _compare(repository, [study, *compared], file_format, output, tolerance)
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


def _check_together(names: Sequence[str], file_format: Format, *, watch: bool, has_claims: bool) -> None:
    """Refuse options that do not fit together.

    Raises:
        ReportError: the first of them, in one line.
    """
    is_comparison = len(names) > 1
    if watch and file_format is not Format.HTML:
        raise ReportError("--watch writes HTML: leave --format out")
    if is_comparison and file_format not in (Format.HTML, Format.JSON):
        raise ReportError("a comparison is written as HTML or JSON: leave --format out, or give json")
    if is_comparison and (watch or has_claims):
        raise ReportError("a comparison takes neither --watch nor --claims: leave them out")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ReportError(f"expected different studies to compare, got {twice!r} twice")


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
    from stability_sweep.report.files.json_file import report_json
    from stability_sweep.report.files.pictures import write_pictures
    from stability_sweep.report.panels.registry import report_sections
    from stability_sweep.sources import StoredSource

    analysis: Analysis = analyse_study(StoredSource(repository, study, claims), tolerance=tolerance)
    if file_format is Format.JSON:
        _give_json(report_json(analysis), output)
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
    repository: Repository, studies: Sequence[StoredStudy], file_format: Format, output: Path | None, tolerance: float
) -> None:
    from stability_sweep.report import analyse_study, write_comparison
    from stability_sweep.report.comparison import comparison_json
    from stability_sweep.sources import StoredSource

    analyses = [analyse_study(StoredSource(repository, study), tolerance=tolerance) for study in studies]
    if file_format is Format.JSON:
        _give_json(comparison_json(analyses), output)
        return
    path = output or Path("reports") / f"{_file_name([study.name for study in studies])}.html"
    write_comparison(path, analyses, storage=str(repository))
    say(f"Comparison: {path}")


def _file_name(names: Sequence[str]) -> str:
    """``a-and-b``, ``a-and-b-and-2-more``: no system takes names of any length."""
    more = f"-and-{len(names) - 2}-more" if len(names) > 2 else ""
    return f"{names[0]}-and-{names[1]}{more}"


def _give_json(content: dict[str, Any], output: Path | None) -> None:
    """Print it, or write it to a file and say so."""
    from stability_sweep.report.files.json_file import write_json

    if output is None:
        say_json(content)
        return
    write_json(output, content)
    say(f"Report: {output}")
