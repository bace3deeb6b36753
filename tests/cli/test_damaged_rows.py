"""A row of telemetry or an autopsy that cannot be read is told, and hides no other trial."""

from __future__ import annotations

import json
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, error_line
from tests.report.test_page import Soup, payload_of

DIVERGED = 4


def damage(folder: Path, table: str, number: int, content: bytes | str) -> None:
    with closing(sqlite3.connect(folder / "old.db")) as connection, connection:
        connection.execute(
            f"UPDATE stability_{table} SET content = ? WHERE trial_id = "
            "(SELECT trial_id FROM stability_results WHERE number = ?)",
            (content, number),
        )


@pytest.mark.parametrize(
    ("table", "content", "told"),
    [
        ("telemetry", zlib.compress(b"[" * 5_000), "this telemetry is damaged: "),
        ("telemetry", b"\x1b[2J", "this telemetry is damaged: "),
        ("telemetry", zlib.compress(b"\0" * 50_000_000), "expected at most 8,000,000 bytes"),
        ("autopsies", zlib.compress(b"[" * 5_000), "this autopsy is damaged: "),
        ("autopsies", zlib.compress(b"[]"), "this autopsy is damaged: "),
    ],
)
def test_a_damaged_row_is_told_by_show_and_left_out_of_the_report(
    cli: Cli, old: str, tmp_path: Path, table: str, content: bytes, told: str
) -> None:
    damage(tmp_path, table, DIVERGED, content)
    assert told in error_line(cli("show", "old", str(DIVERGED), "--storage", old, code=2))
    done = cli("report", "old", "--storage", old, "--output", "r.html")
    assert f"WARNING stability_sweep.report.collect: trial {DIVERGED}: this " in done.stderr
    assert len(done.stderr.splitlines()) == 1
    page = Soup((tmp_path / "r.html").read_text(encoding="utf-8"), "html.parser")
    assert "What 1 trial stored of their steps is damaged" in page.text
    details = payload_of(page)["details"]
    assert told in details[str(DIVERGED)]["damaged"]
    assert "signals" in details["3"]


def test_replay_and_the_whole_studys_warning_signs_name_a_damaged_trial(cli: Cli, old: str, tmp_path: Path) -> None:
    damage(tmp_path, "telemetry", DIVERGED, b"no zlib")
    assert "this telemetry is damaged" in error_line(cli("replay", "old", str(DIVERGED), "--storage", old, code=2))
    assert error_line(cli("show", "old", "--storage", old, code=2)).startswith("trial 4: this telemetry is damaged: ")
    found = json.loads(cli("report", "old", "--storage", old, "--format", "json").stdout)
    assert {sign["diverged"] for sign in found["tables"]["warning-signs"]} == {4}
