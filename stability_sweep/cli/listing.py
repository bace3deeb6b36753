"""``stability-sweep list``."""

from __future__ import annotations

from stability_sweep.cli.options import AsJson, Storage, open_repository
from stability_sweep.cli.printing import say, say_json
from stability_sweep.environment import DEFAULT_STORAGE
from stability_sweep.errors import DefinitionError
from stability_sweep.terminal.fleet_words import summary_json


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
            say(f"{name}: {error}", err=True)
    for words in repository.foreign_copies().values():
        say(words, err=True)
    if as_json:
        say_json([summary_json(summary) for summary in summaries])
        return
    width = max([len("study"), *(len(summary.study) for summary in summaries)])
    say(f"{'study':<{width}}  finished  budget  running  diverged")
    for summary in summaries:
        say(
            f"{summary.study:<{width}}  {summary.finished:>8}  {summary.budget:>6}  {summary.running:>7}  "
            f"{summary.outcomes['diverged']:>8}"
        )
