"""NaN, the infinities, what was never measured and "off" have one spelling each, on every surface."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stability_sweep.report import analyse_study, write_study_report
from stability_sweep.report.blocks import Column, Table
from stability_sweep.report.cells import cell_text, json_number
from stability_sweep.report.files.csv_file import csv_bytes, csv_of_table, csv_text
from stability_sweep.report.files.json_file import json_rows, report_json
from stability_sweep.results.numbers import NEVER_IN_CSV, NEVER_ON_PAGE, NEVER_ON_TERMINAL
from stability_sweep.results.outcome import LOSS_FIELDS, Divergence, Outcome, Symptom
from stability_sweep.results.telemetry import Telemetry
from stability_sweep.sources import StoredSource
from stability_sweep.sources.frame import column_names, trial_records
from stability_sweep.storage import Repository, StoredStudy
from stability_sweep.targets.rhvae.target import TARGET
from stability_sweep.terminal.trial import describe_result, result_json, table_lines, trial_json, trial_lines
from tests.conftest import StudyBuilder, make_definition, make_result
from tests.report.test_page import Soup, payload_of

VALUES = {"finite": 30.5, "nan": math.nan, "inf": math.inf, "-inf": -math.inf, "": None}
"""What a loss can be, by its spelling in CSV."""

NEVER = (None, NEVER_IN_CSV, NEVER_ON_PAGE, NEVER_ON_TERMINAL)
"""What was never measured, in JSON, CSV, on the page and on the terminal."""


def back(text: str | float | None) -> float | None:
    """What a program reads back from CSV or JSON, and what a person reads on the page or the terminal."""
    return None if text in NEVER else float(text)


def same(a: float | None, b: float | None) -> bool:
    return a is b or repr(a) == repr(b)


@pytest.fixture
def study(repository: Repository, finished_study: StudyBuilder) -> StoredStudy:
    """One trial for every value of the final loss, then two that diverged by an infinite and by a NaN loss."""
    results = [make_result(final_loss=value, max_loss=value, validation_loss=value) for value in VALUES.values()]
    for loss, signal in ((math.inf, Symptom.INF_LOSS), (math.nan, Symptom.NAN_LOSS)):
        divergence = Divergence(step=3, symptom=signal)
        results.append(make_result(Outcome.DIVERGED, divergence=divergence, final_loss=loss, max_loss=loss))
    queue = iter(results)
    space = {"learning_rate": {"low": 1e-5, "high": 1e-1, "log": True}, "batch_size": 16, "clip_norm": ["off"]}
    definition = make_definition(search_space=space, budget={"trials": len(results)})
    return finished_study(lambda point: next(queue), trials=len(results), definition=definition)


FINAL = [*VALUES.values(), math.inf, math.nan]


def check(found: Sequence[Any], wanted: Sequence[float | None] = FINAL) -> None:
    assert all(same(back(value), expected) for value, expected in zip(found, wanted, strict=True)), found


def test_csv_and_json_give_every_value_back(repository: Repository, study: StoredStudy, tmp_path: Path) -> None:
    exported = csv_bytes(trial_records(repository, study), column_names(study.definition.search_space)).decode()
    analysis = analyse_study(StoredSource(repository, study))
    write_study_report(StoredSource(repository, study), tmp_path / "r.html")
    payload = payload_of(Soup((tmp_path / "r.html").read_text(encoding="utf-8"), "html.parser"))
    texts = (exported, csv_of_table(analysis.tables()["trials"]), payload["csv"]["trials"])
    for text in texts:
        rows = list(csv.DictReader(io.StringIO(text)))
        check([row["final_loss"] for row in rows])
        assert {row["clip_norm"] for row in rows} == {"inf"}
        assert [row["validation_loss"] for row in rows[-2:]] == ["", ""]
        assert "never_measured" not in rows[0]
    trials = json.loads(json.dumps(report_json(analysis), allow_nan=False))["tables"]["trials"]
    check([row["final_loss"] for row in trials])
    assert {row["clip_norm"] for row in trials} == {"inf"}
    shown = [trial_json(repository.trial(study, number), None, None, TARGET) for number in range(len(FINAL))]
    check([json.loads(json.dumps(trial, allow_nan=False))["result"]["final_loss"] for trial in shown])
    assert {trial["point"]["clip_norm"] for trial in shown} == {"inf"}


def test_the_page_says_off_of_a_dimension_and_inf_of_a_loss(
    repository: Repository, study: StoredStudy, tmp_path: Path
) -> None:
    write_study_report(StoredSource(repository, study), tmp_path / "r.html")
    payload = payload_of(Soup((tmp_path / "r.html").read_text(encoding="utf-8"), "html.parser"))
    assert payload["columns"].count("final_loss") == 1
    assert "never_measured" not in payload["columns"]
    place = {name: payload["columns"].index(name) for name in ("final_loss", "clip_norm", *LOSS_FIELDS)}
    final = [row[place["final_loss"]] for row in payload["trials"]]
    assert final == [30.5, "nan", "inf", "-inf", None, "inf", "nan"]
    check(final)
    assert {row[place["clip_norm"]] for row in payload["trials"]} == {"off"}
    assert all(row[place[name]] != "off" for row in payload["trials"] for name in LOSS_FIELDS)


def test_the_terminal_says_it_in_the_same_words(repository: Repository, study: StoredStudy) -> None:
    found = [next(trial_lines(repository.trial(study, number), None, None, TARGET)) for number in range(len(VALUES))]
    words = [line.rsplit(" ", 1)[1] for line in found]
    assert words == ["30.5", "nan", "inf", "-inf", "-"]
    check(words, list(VALUES.values()))
    lines = list(trial_lines(repository.trial(study, 2), None, None, TARGET))
    assert "clip_norm off" in lines[1]
    assert "final inf" in lines[3]
    assert describe_result(make_result(final_loss=math.inf)) == "stable, final loss inf"
    assert result_json(make_result(final_loss=-math.inf))["final_loss"] == "-inf"


def test_a_table_of_the_analysis_gives_every_value_back_on_every_surface() -> None:
    """What an analysis does not know is NaN; on every surface that reads as what was never measured does."""
    values = [30.5, math.nan, math.inf, -math.inf]
    wanted = [30.5, None, math.inf, -math.inf]
    table = pd.DataFrame({"name": ["a", "b", "c", "d"], "limit": values})
    check([row["limit"] for row in json.loads(json.dumps(json_rows(table), allow_nan=False))], wanted)
    check([row["limit"] for row in csv.DictReader(io.StringIO(csv_of_table(table)))], wanted)
    check([row[1] for row in Table.of(table, [Column("name", "name"), Column("limit", "limit")]).rows], wanted)
    _, *lines = table_lines(table.to_dict("records"), {"name": "name", "limit": "limit"})  # type: ignore[arg-type]
    check([line.split()[1] for line in lines], wanted)


def test_telemetry_gives_every_value_back_on_every_surface(
    repository: Repository, study: StoredStudy, tmp_path: Path
) -> None:
    """Telemetry is a number at every step: it has no value that nobody measured."""
    values = [30.5, math.nan, math.inf, -math.inf]
    telemetry = Telemetry(np.arange(1, 5), np.array([values]).T, ("loss",))
    repository.save_telemetry(repository.trial_ids(study, [0])[0], telemetry)
    write_study_report(StoredSource(repository, study), tmp_path / "r.html")
    page = payload_of(Soup((tmp_path / "r.html").read_text(encoding="utf-8"), "html.parser"))
    check(page["details"]["0"]["signals"]["loss"], values)
    trial = repository.trial(study, 0)
    shown = json.loads(json.dumps(trial_json(trial, telemetry, None, TARGET), allow_nan=False))
    check(shown["telemetry"]["signals"]["loss"], values)
    lines = list(trial_lines(trial, telemetry, None, TARGET))
    check([line.split()[1] for line in lines[-len(values) :]], values)
    (signal,) = (line for line in lines if line.startswith("  loss"))
    check([signal.split()[1], signal.split()[-1]], [values[0], values[-1]])


def test_a_table_of_the_page_says_off_only_in_the_column_of_a_dimension() -> None:
    assert [cell_text(value) for value in (1.23456, math.nan, math.inf, -math.inf, None)] == [
        "1.235",
        "nan",
        "inf",
        "-inf",
        "–",
    ]
    assert cell_text(math.inf, dimension=True) == "off"


def test_texts_that_look_like_formulas_are_quoted_and_numbers_are_not() -> None:
    found = list(
        csv.reader(io.StringIO(csv_text({"a": ["=1+1", "@x", "-5", "ok", "\t=1"], "b": [-1, -0.5, -math.inf, 2, 3]})))
    )
    assert [row[0] for row in found[1:]] == ["'=1+1", "'@x", "'-5", "ok", "'\\t=1"]
    assert [row[1] for row in found[1:]] == ["-1", "-0.5", "-inf", "2", "3"]


def test_a_json_number_has_the_digits_that_are_asked_for() -> None:
    values = (1.3291523898349566e33, 123456.0, 0.125, 0.123456, math.nan, None, 7, "text")
    assert [json_number(value, 4) for value in values] == [1.329e33, 123456.0, 0.125, 0.1235, "nan", None, 7, "text"]
    assert json_number(0.123456) == 0.123456
