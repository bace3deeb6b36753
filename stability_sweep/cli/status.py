"""``stability-sweep status``."""

from __future__ import annotations

from stability_sweep.cli.options import AsJson, Name, Storage, open_repository
from stability_sweep.cli.printing import say, say_json
from stability_sweep.environment import DEFAULT_STORAGE
from stability_sweep.terminal.fleet_words import summary_json, work_in_words
from stability_sweep.terminal.precision_words import precision_figures, precision_in_words


def status(name: Name, storage: Storage = DEFAULT_STORAGE, as_json: AsJson = False) -> None:
    """Show how far a study is, and who works on it.

    Example:

      stability-sweep status quickstart --json
    """
    repository = open_repository(storage)
    study = repository.get_study(name)
    summary = repository.summary(study)
    if as_json:
        say_json({**summary_json(summary), "precision": precision_figures(repository, study)})
        return
    say(f"study     {summary.study}")
    say(f"finished  {summary.finished} of {summary.budget}")
    for outcome, count in summary.outcomes.items():
        say(f"  {outcome:<8}{count:>5}")
    say(f"running   {summary.running}")
    say(f"waiting   {summary.waiting}")
    if (precision := precision_in_words(repository, study)) is not None:
        say(f"50% line  {precision}")
    if summary.lock is not None:
        holder, seconds = summary.lock
        say(f"lock      held by {holder} for {seconds:.0f} s: no other worker can begin a new trial")
    for worker in summary.workers:
        say(
            f"worker    {worker.host}:{worker.process_id} on {worker.device}, {'alive' if worker.alive else 'DEAD'}, "
            f"last seen {worker.last_seen_seconds:.0f} s ago, {work_in_words(worker.trials)}"
        )
