"""What a database holds cannot act on a terminal, nor on a spreadsheet, through any command."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from stability_sweep.text import escaped
from tests.cli.conftest import Cli, error_line

EVIL = "\x1b]0;owned\x07\x1b[2J\nforged line\x9b31m\u202e\x7f"
FORMULA = '=HYPERLINK("http://evil")'


@pytest.fixture
def hostile(old: str, tmp_path: Path) -> str:
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection, connection:
        connection.execute(
            "UPDATE stability_results SET worker = ?, device = ?, torch_version = ?, cpu = ?", (EVIL,) * 4
        )
        connection.execute("UPDATE stability_results SET divergence_origin = ? WHERE number = 4", (EVIL,))
        connection.execute(
            "UPDATE stability_results SET outcome = 'failed', divergence_step = NULL, divergence_signal = NULL, "
            "failure = ?, worker = ? WHERE number = 7",
            (EVIL * 2_000, FORMULA),
        )
        connection.execute("UPDATE stability_workers SET host = ?, device = ?, ended_at = NULL", (EVIL, EVIL))
        connection.execute(
            "UPDATE stability_definitions SET definition = json_set(definition, '$.description', ?)", (EVIL,)
        )
    return old


@pytest.mark.parametrize(
    "command",
    [
        ("status", "old"), ("status", "old", "--json"), ("list",), ("list", "--json"),
        ("show", "old"), ("show", "old", "--json"), ("show", "old", "4"), ("show", "old", "7"),
        ("show", "old", "4", "--json"), ("export", "old"), ("report", "old", "--format", "json"),
        ("report", "old", "--output", "r.html"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_no_command_prints_a_control_character(cli: Cli, hostile: str, command: tuple[str, ...]) -> None:
    done = cli(*command, "--storage", hostile)
    for line in (done.stdout + done.stderr).removesuffix("\n").split("\n"):
        assert line == escaped(line)
        assert line.strip() != "forged line"
    if "--json" not in command and command[0] != "export" and "json" not in command:
        assert max(map(len, done.stdout.split("\n"))) <= 1_000


def test_errors_quote_names_from_the_database_and_the_arguments_escaped(cli: Cli, hostile: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection, connection:
        connection.execute("UPDATE studies SET study_name = ?", (EVIL,))
        connection.execute("UPDATE stability_definitions SET study_name = ?", (EVIL,))
    for name in ("old", "\x1b[31mred"):
        line = error_line(cli("status", name, "--storage", hostile, code=2))
        assert line == escaped(line)
        assert "\\x1b]0;owned\\x07" in line
    for arguments in (("run", "\x1b[2J.toml"), ("\x1b[2J",), ("status", "--\x1b[2J")):
        done = cli(*arguments, code=2)
        assert "\x1b" not in done.stderr
        assert "\\x1b[2J" in done.stderr


def test_a_cell_is_text_to_a_spreadsheet_and_numbers_stay_numbers(cli: Cli, hostile: str, tmp_path: Path) -> None:
    printed = cli("export", "old", "--storage", hostile).stdout
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert len(rows) == 14
    assert rows[7]["worker"] == f"'{FORMULA}"
    assert rows[4]["worker"] == escaped(EVIL)
    assert all(float(row["learning_rate"]) > 0 for row in rows)
    cli("report", "old", "--storage", hostile, "--format", "csv", "--output", "tables")
    with (tmp_path / "tables" / "trials.csv").open(encoding="utf-8", newline="") as file:
        tables = list(csv.DictReader(file))
    assert tables[7]["worker"] == f"'{FORMULA}"
    assert tables[7]["failure"].startswith("\\x1b]0;owned")


def test_json_holds_the_texts_as_they_are(cli: Cli, hostile: str) -> None:
    printed = cli("show", "old", "4", "--storage", hostile, "--json").stdout
    assert json.loads(printed)["result"]["divergence"]["origin"] == EVIL
