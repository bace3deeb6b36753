"""Rows of ours whose study or trial Optuna has deleted.

On servers foreign keys take them away. SQLite heeds those only where a connection asks for it, which Optuna's does
not, and it gives the numbers of deleted rows to the next ones: what stayed behind would be taken for theirs.
"""

from __future__ import annotations

from sqlalchemy import Connection, column, delete, select, table, text

from stability_sweep.storage.optuna_tables import studies, trials

OF_TRIALS = ("stability_results", "stability_telemetry", "stability_autopsies", "stability_claims")
"""Tables with one row per trial of Optuna."""

OF_STUDIES = ("stability_definitions", "stability_workers")
"""Tables with rows of a study of Optuna."""


def forget_with_optuna(connection: Connection) -> None:
    """Let SQLite itself delete our rows with Optuna's, whoever deletes those, by whatever program."""
    if connection.dialect.name != "sqlite":
        return
    for owner, key, tables in (("trials", "trial_id", OF_TRIALS), ("studies", "study_id", OF_STUDIES)):
        orders = " ".join(f"DELETE FROM {name} WHERE {key} = OLD.{key};" for name in tables)
        connection.execute(
            text(f"CREATE TRIGGER IF NOT EXISTS stability_forget_{owner} AFTER DELETE ON {owner} BEGIN {orders} END")
        )


def delete_orphans(connection: Connection) -> None:
    """Delete what was left behind before there was a trigger, or while Optuna rebuilt its tables without it."""
    results = table("stability_results", column("trial_id"), column("study_id"), column("number"))
    # A trial of the same number in the same study is the result's own; anything else only has its old number.
    fits = (
        select(trials.c.trial_id)
        .where(trials.c.study_id == results.c.study_id, trials.c.number == results.c.number)
        .where(trials.c.trial_id == results.c.trial_id)
        .exists()
    )
    foreign = select(results.c.trial_id).where(~fits)
    strangers = list(connection.scalars(foreign))
    for name in OF_TRIALS:
        rows = table(name, column("trial_id"))
        connection.execute(delete(rows).where(rows.c.trial_id.not_in(select(trials.c.trial_id))))
        for start in range(0, len(strangers), 500):
            connection.execute(delete(rows).where(rows.c.trial_id.in_(strangers[start : start + 500])))
    for name in OF_STUDIES:
        rows = table(name, column("study_id"))
        connection.execute(delete(rows).where(rows.c.study_id.not_in(select(studies.c.study_id))))
