"""A database that schema version 0003 wrote, kept as text: two of its trials never measured two of today's signals."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, error_line

STABLE, DIVERGED = 0, 4
"""The trials without `largest_momentum` and `energy_drift`."""


def test_status_counts_its_trials(cli: Cli, old: str) -> None:
    found = json.loads(cli("status", "old", "--storage", old, "--json").stdout)
    assert (found["outcomes"]["stable"], found["outcomes"]["diverged"]) == (9, 5)


@pytest.mark.parametrize("number", [STABLE, DIVERGED])
def test_show_tells_the_signals_that_a_trial_has(cli: Cli, old: str, number: int) -> None:
    shown = cli("show", "old", str(number), "--storage", old).stdout
    assert "  gradient_norm " in shown
    assert "energy_drift" not in shown
    signals = json.loads(cli("show", "old", str(number), "--storage", old, "--json").stdout)["telemetry"]["signals"]
    assert "gradient_norm" in signals
    assert "largest_momentum" not in signals


def test_a_signal_is_judged_by_the_trials_that_measured_it(cli: Cli, old: str) -> None:
    signs = json.loads(cli("show", "old", "--storage", old, "--json").stdout)["warning_signs"]
    counts = {sign["signal"]: (sign["stable"], sign["diverged"]) for sign in signs}
    assert counts["gradient_norm"] == (9, 5)
    assert counts["energy_drift"] == counts["largest_momentum"] == (8, 4)
    assert "energy_drift" in cli("show", "old", "--storage", old).stdout


def test_its_report_is_written(cli: Cli, old: str, tmp_path: Path) -> None:
    assert "Report: r.html" in cli("report", "old", "--storage", old, "--output", "r.html").stdout
    assert "energy drift" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_its_trials_are_exported(cli: Cli, old: str) -> None:
    rows = list(csv.DictReader(io.StringIO(cli("export", "old", "--storage", old).stdout)))
    assert len(rows) == 14
    assert rows[DIVERGED]["final_loss"] == "nan"
    assert rows[DIVERGED]["validation_loss"] == ""


def test_a_trial_of_it_is_replayed_and_compared_by_the_signals_in_common(cli: Cli, old: str) -> None:
    found = json.loads(cli("replay", "old", str(DIVERGED), "--storage", old, "--json", "--threads", "1").stdout)
    assert found["same_end"]
    assert found["compared_steps"] == 2


def test_no_output_replaces_the_database_that_it_comes_from(cli: Cli, old: str, tmp_path: Path) -> None:
    before = (tmp_path / "old.db").read_bytes()
    (tmp_path / "link.csv").symlink_to("old.db")
    for command in (
        ("export", "old", "--output", "old.db"),
        ("export", "old", "--output", "link.csv"),
        ("report", "old", "--output", "old.db"),
        ("report", "old", "--format", "json", "--output", "link.csv"),
    ):
        assert "got a database, which output never replaces" in error_line(cli(*command, "--storage", old, code=2))
    assert (tmp_path / "old.db").read_bytes() == before


def test_standard_output_can_be_named(cli: Cli, old: str) -> None:
    printed = cli("export", "old", "--storage", old).stdout
    assert cli("export", "old", "--storage", old, "--output", "/dev/stdout").stdout == printed
