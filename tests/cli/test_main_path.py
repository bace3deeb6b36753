"""From a definition to a report, an export and a resumed study, as a user does it."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from stability_sweep import __version__
from tests.cli.conftest import Cli
from tests.report.test_page import payload_of

EXPORT_COLUMNS = {
    "number", "learning_rate", "batch_size", "clip_norm", "seed", "outcome", "divergence_step", "divergence_signal",
    "steps", "horizon", "first_loss", "final_loss", "best_loss", "max_loss", "validation_loss", "yardstick",
    "wall_seconds",
}  # fmt: skip


def test_version_and_help(cli: Cli) -> None:
    assert cli("--version").stdout == f"stability-sweep {__version__}\n"
    text = cli("--help").stdout
    for command in ("run", "worker", "report", "status", "list", "export", "data"):
        assert f"  {command} " in text
        assert "Example" in cli(command, "--help").stdout or command == "data"
    assert "Exit codes: 0 done; 1" in text


def test_run_trains_stores_and_reports(cli: Cli, definition_file: Path, tmp_path: Path) -> None:
    done = cli("run", str(definition_file))
    lines = [line for line in done.stderr.splitlines() if line.startswith("[")]
    assert [line.split("]")[0] for line in lines] == ["[1/4", "[2/4", "[3/4", "[4/4"]
    assert done.stdout.splitlines()[-1] == "Report: reports/small.html"
    assert done.stdout.startswith("- Not enough trials to say anything yet")  # the answer comes first
    page = BeautifulSoup((tmp_path / "reports" / "small.html").read_text(encoding="utf-8"), "html.parser")
    assert len(payload_of(page)["trials"]) == 4
    assert (tmp_path / "stability-sweep.db").exists()

    status = json.loads(cli("status", "small", "--json").stdout)
    assert status["study"] == "small"
    assert status["budget"] == 4
    assert sum(status["outcomes"].values()) == 4
    assert set(status["outcomes"]) == {"stable", "stalled", "exploded", "diverged", "failed"}
    assert (status["running"], status["waiting"], status["workers"]) == (0, 0, [])
    assert status.pop("precision") is None
    assert json.loads(cli("list", "--json").stdout) == [status]
    assert "finished  4 of 4" in cli("status", "small").stdout
    assert "small" in cli("list").stdout

    again = cli("run", str(definition_file), "--no-report")
    assert "[" not in again.stderr
    assert "4 of 4 trials of study small have an outcome" in again.stderr
    more = cli("run", str(definition_file), "--no-report", "--trials", "6")
    assert "[6/6]" in more.stderr


def test_export_gives_every_trial_in_both_formats(cli: Cli, definition_file: Path, tmp_path: Path) -> None:
    cli("run", str(definition_file), "--trials", "8", "--no-report")
    rows = list(csv.DictReader(io.StringIO(cli("export", "small", "--format", "csv").stdout)))
    assert set(rows[0]) >= EXPORT_COLUMNS
    assert [int(row["number"]) for row in rows] == list(range(8))
    for row in rows:
        assert float(row["clip_norm"]) > 0
        assert (row["divergence_step"] != "") == (row["outcome"] == "diverged")
        assert (row["validation_loss"] == "") == (row["outcome"] == "diverged")
        assert (row["yardstick"] == "") == (row["outcome"] == "diverged")
    cli("export", "small", "--output", "trials.parquet")
    frame = pd.read_parquet(tmp_path / "trials.parquet")
    assert frame["number"].tolist() == list(range(8))
    assert frame["learning_rate"].tolist() == [float(row["learning_rate"]) for row in rows]
    assert any(math.isinf(norm) for norm in frame["clip_norm"]) == any(row["clip_norm"] == "inf" for row in rows)


def test_a_worker_needs_only_url_and_name(cli: Cli, definition_file: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    cli("run", str(definition_file), "--storage", url, "--trials", "1", "--no-report")
    definition_file.unlink()
    assert "finished 0 trials" in cli("worker", "small", "--storage", url).stderr
    assert "finished 0 trials" in cli("worker", "small", STABILITY_SWEEP_STORAGE=url).stderr


def test_several_workers_make_the_same_study(cli: Cli, definition_file: Path) -> None:
    done = cli("run", str(definition_file), "--workers", "2", "--trials", "6", "--report", "here.html")
    assert done.stdout.splitlines()[-1] == "Report: here.html"
    assert "6 of 6 trials" in done.stderr
    status = json.loads(cli("status", "small", "--json").stdout)
    assert sum(status["outcomes"].values()) == 6
    assert (status["running"], status["waiting"]) == (0, 0)


def test_the_same_seed_gives_the_same_results_in_another_database(cli: Cli, definition_file: Path) -> None:
    exports = []
    for name in ("a", "b"):
        url = f"sqlite:///{name}.db"
        cli("run", str(definition_file), "--storage", url, "--no-report", "--threads", "1")
        rows = csv.DictReader(io.StringIO(cli("export", "small", "--storage", url).stdout))
        exports.append([{key: row[key] for key in sorted(EXPORT_COLUMNS - {"wall_seconds"})} for row in rows])
    assert exports[0] == exports[1]


@pytest.mark.parametrize("command", [["list"], ["status", "small"], ["report", "small"], ["export", "small"]])
def test_reading_creates_no_database(cli: Cli, tmp_path: Path, command: list[str]) -> None:
    assert "there is no such file" in cli(*command, code=2).stderr
    assert list(tmp_path.iterdir()) == []
