"""``stability-sweep export``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from stability_sweep.cli.options import Name, Storage, open_repository
from stability_sweep.cli.printing import say
from stability_sweep.environment import DEFAULT_STORAGE


class Format(str, Enum):
    """File formats of an export."""

    CSV = "csv"
    PARQUET = "parquet"


def export(
    name: Name,
    storage: Storage = DEFAULT_STORAGE,
    output: Annotated[Path | None, typer.Option(help="The file; CSV goes to standard output without it.")] = None,
    file_format: Annotated[Format | None, typer.Option("--format", help="Default: by the file's ending.")] = None,
) -> None:
    """Write one row per finished trial. "off" clipping is inf; an empty field was never measured.

    Examples:

      stability-sweep export quickstart --format csv | head

      stability-sweep export quickstart --output trials.parquet
    """
    by_ending = Format.PARQUET if output is not None and output.suffix == ".parquet" else Format.CSV
    chosen = file_format or by_ending
    if output is None and chosen is Format.PARQUET:
        raise typer.BadParameter("parquet is a binary format; give a file with --output", param_hint="--format")

    from stability_sweep.report.files.csv_file import csv_bytes
    from stability_sweep.report.files.parquet_file import parquet_bytes
    from stability_sweep.report.files.writing import write_output
    from stability_sweep.sources.frame import column_names, trial_records

    repository = open_repository(storage)
    study = repository.get_study(name)
    make = parquet_bytes if chosen is Format.PARQUET else csv_bytes
    content = make(trial_records(repository, study), column_names(study.definition.search_space))
    if output is None:
        typer.echo(content.decode("utf-8"), nl=False)
        return
    write_output(output, content)
    say(f"Export: {output}", err=True)
