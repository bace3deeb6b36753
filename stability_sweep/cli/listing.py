"""``stability-sweep list``."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from stability_sweep.cli.options import AsJson, Storage, open_repository
from stability_sweep.environment import DEFAULT_STORAGE
from stability_sweep.errors import DefinitionError


def list_studies(storage: Storage = DEFAULT_STORAGE, as_json: AsJson = False) -> None:
    """List the studies of a database.

    Example:

      stability-sweep list --storage sqlite:///stability-sweep.db
    """
    repository = open_repository(storage)
    summaries = []
    for name in repository.study_names():
        try:
            summaries.append(repository.summary(repository.get_study(name)))
        except DefinitionError as error:  # one study of another version must not hide the others
            typer.echo(f"{name}: {error}", err=True)
    for words in repository.foreign_copies().values():
        typer.echo(words, err=True)
    if as_json:
        typer.echo(json.dumps([asdict(summary) for summary in summaries]))
        return
    width = max([len("study"), *(len(summary.study) for summary in summaries)])
    typer.echo(f"{'study':<{width}}  finished  budget  running  diverged")
    for summary in summaries:
        typer.echo(
            f"{summary.study:<{width}}  {summary.finished:>8}  {summary.budget:>6}  {summary.running:>7}  "
            f"{summary.outcomes['diverged']:>8}"
        )
