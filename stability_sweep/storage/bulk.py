"""Reading many trials at once: plain columns by few statements, never one object per trial.

A study of 100,000 trials is 300,000 parameters. Rows come in portions, so that a driver never holds a whole table;
equal texts share one object; a distribution is parsed once, however many parameters were drawn from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from optuna.distributions import CategoricalDistribution, IntDistribution, json_to_distribution
from sqlalchemy import Select, String, func, select
from sqlalchemy.orm import Session

from stability_sweep.definition.study import StudyDefinition
from stability_sweep.results.outcome import LOSS_FIELDS, Outcome
from stability_sweep.space.dimensions import Dimension, Value
from stability_sweep.storage.database import Database
from stability_sweep.storage.optuna_tables import trial_params, trials
from stability_sweep.storage.schema import AutopsyRow, ResultRow, TelemetryRow, decode_number

ROWS_PER_PORTION = 1_000
"""As many as stay in a processor's cache while rows become columns: with ten times as many that takes twice as long."""

MOST_IN_A_LIST = 500
"""So many values stand in one IN (...): old versions of SQLite allow 999 in a statement."""

Columns = dict[str, list[Any]]
"""Columns of equal length, by name; None means that a row has no such value."""


def read_columns(session: Session, study_id: int, definition: StudyDefinition, fields: Sequence[str]) -> Columns:
    """Columns of a study's finished trials, in the order of their numbers.

    Args:
        session: the open transaction.
        study_id: Optuna's id of the study.
        definition: the study's definition.
        fields: names of results, as `ResultRow` calls them.

    Returns:
        ``number``, every dimension of the search space ("off" is infinity; None where the trial has no such
        parameter), then the fields (None: "never measured"; a loss that is NaN is NaN).
    """
    trial_ids, numbers, results = _read_results(session, study_id, fields)
    # After the results, on purpose: a trial that ends in between is left out, not half read.
    dimensions = _read_dimensions(session, study_id, definition, trial_ids)
    return {"number": numbers, **dimensions, **results}


def even_choice(study_id: int, most_per_outcome: int) -> Select[tuple[int]]:
    """The ids of at most so many stable and so many diverged trials with telemetry, spread evenly over the numbers."""
    outcomes = (Outcome.STABLE.value, Outcome.DIVERGED.value)
    ranked = (
        select(
            ResultRow.trial_id,
            func.row_number().over(partition_by=ResultRow.outcome, order_by=ResultRow.number).label("place"),
            func.count().over(partition_by=ResultRow.outcome).label("total"),
        )
        .join(trials, trials.c.trial_id == ResultRow.trial_id)
        .join(TelemetryRow, TelemetryRow.trial_id == ResultRow.trial_id)
        .where(trials.c.study_id == study_id, ResultRow.outcome.in_(outcomes))
        .subquery()
    )
    # place * most / total passes a whole number `most` times; where it just did, the remainder is below `most`.
    return select(ranked.c.trial_id).where((ranked.c.place * most_per_outcome) % ranked.c.total < most_per_outcome)


def read_contents(
    database: Database, table: type[TelemetryRow] | type[AutopsyRow], trial_ids: Iterable[int]
) -> Iterator[tuple[int, bytes]]:
    """Stored forms with their trials' ids, in the order of the ids; trials without one are left out."""
    for some in _in_lists(trial_ids):
        with database.session() as session:
            rows = session.execute(select(table.trial_id, table.content).where(table.trial_id.in_(some))).all()
        contents: dict[int, bytes] = {row.trial_id: row.content for row in rows}
        yield from ((trial_id, contents[trial_id]) for trial_id in some if trial_id in contents)


def read_trial_ids(database: Database, study_id: int, numbers: Iterable[int]) -> dict[int, int]:
    """Optuna's ids of a study's trials by their numbers; numbers that it does not have are left out."""
    found: dict[int, int] = {}
    with database.session() as session:
        for some in _in_lists(numbers):
            where = (trials.c.study_id == study_id) & trials.c.number.in_(some)
            rows = session.execute(select(trials.c.number, trials.c.trial_id).where(where))
            found |= {row.number: row.trial_id for row in rows}
    return found


def _in_lists(items: Iterable[int]) -> Iterator[list[int]]:
    """The items in lists that fit into one statement."""
    listed = [int(item) for item in items]  # drivers know no numbers of NumPy
    for start in range(0, len(listed), MOST_IN_A_LIST):
        yield listed[start : start + MOST_IN_A_LIST]


def _read_results(session: Session, study_id: int, fields: Sequence[str]) -> tuple[list[int], list[int], Columns]:
    """Ids, numbers, and the fields of the results."""
    table = ResultRow.__table__
    kinds = [f"{name}_kind" for name in fields if name in LOSS_FIELDS]
    names = ["trial_id", "number", *fields, *kinds]
    statement = (
        select(*(table.c[name] for name in names))
        .join(trials, trials.c.trial_id == table.c.trial_id)
        .where(trials.c.study_id == study_id)
        .order_by(table.c.number)
    )
    columns: Columns = {name: [] for name in (*names[:2], *fields)}
    shared: dict[str | None, str | None] = {}
    for portion in _portions(session, statement):
        read = dict(zip(names, portion, strict=True))
        for name, column in columns.items():
            values = read[name]
            if name in LOSS_FIELDS:
                column.extend(map(decode_number, values, read[f"{name}_kind"]))
            elif isinstance(table.c[name].type, String):
                column.extend([shared.setdefault(value, value) for value in values])
            else:
                column.extend(values)
    return columns.pop("trial_id"), columns.pop("number"), columns


def _read_dimensions(session: Session, study_id: int, definition: StudyDefinition, trial_ids: Sequence[int]) -> Columns:
    """The points of the trials of these ids, one column per dimension."""
    space = definition.search_space
    columns: Columns = {name: [None] * len(trial_ids) for name in space}
    place_of = {trial_id: place for place, trial_id in enumerate(trial_ids)}
    table = trial_params
    statement = (
        select(table.c.trial_id, table.c.param_name, table.c.param_value, table.c.distribution_json)
        .join(trials, trials.c.trial_id == table.c.trial_id)
        .where(trials.c.study_id == study_id, table.c.param_name.in_(list(space)))
        .where(table.c.param_value.is_not(None), table.c.distribution_json.is_not(None))
    )
    decoders: dict[tuple[str, str], Callable[[float], Value]] = {}
    for portion in _portions(session, statement):
        for trial_id, name, value, distribution in zip(*portion, strict=True):
            place = place_of.get(trial_id)
            # Trials without a result are of no interest here; some databases compare names without case.
            if place is None or name not in columns:
                continue
            decode = decoders.get((name, distribution))
            if decode is None:
                decode = decoders[name, distribution] = _decoder(space[name], distribution)
            columns[name][place] = decode(value)
    return columns


def _decoder(dimension: Dimension, distribution_json: str) -> Callable[[float], Value]:
    """From the number that Optuna stores to a dimension's value."""
    distribution = json_to_distribution(distribution_json)
    if isinstance(distribution, CategoricalDistribution):
        values = [dimension.decode(choice) for choice in distribution.choices]  # type: ignore[arg-type]
        return lambda index: values[int(index)]
    if isinstance(distribution, IntDistribution):
        return lambda position: dimension.decode(int(position))
    return dimension.decode


def _portions(session: Session, statement: Select[Any]) -> Iterator[list[tuple[Any, ...]]]:
    """The statement's columns, some rows at a time; past the ORM, whose loading of columns costs twice as much."""
    rows = session.connection().execute(statement, execution_options={"yield_per": ROWS_PER_PORTION})
    for portion in rows.partitions():
        yield list(zip(*portion, strict=True))
