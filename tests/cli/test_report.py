"""The report command: its formats, comparisons, --watch, and bad input."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stability_sweep.storage import Database, Repository
from tests.cli.conftest import Cli, error_line
from tests.conftest import build_study, diverges_above, make_definition
from tests.waiting import output_of, wait_until


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """Two finished studies in the default storage of `cli`, the second one with a larger budget than it has trials."""
    database = Database.open(f"sqlite:///{tmp_path / 'stability.db'}", create=True)
    repository = Repository(database)
    build_study(repository, diverges_above(1e-3), trials=30)
    waiting = make_definition(name="waiting", budget={"trials": 50}, seed=8)
    build_study(repository, diverges_above(1e-2), trials=20, definition=waiting)
    database.close()
    return tmp_path


STORAGE = ("--storage", "sqlite:///stability.db")


def test_json_has_every_table_and_the_summary(cli: Cli, studies: Path) -> None:
    found = json.loads(cli("report", "small", "--format", "json", *STORAGE).stdout)
    assert found["study"] == "small"
    assert found["summary"][0] == found["answer"]["sentence"]
    assert found["answer"]["known"] is False
    tables = found["tables"]
    assert len(tables["trials"]) == 30
    assert {"speed-limits", "survival-learning-rate", "effects", "claims", "origins", "best-stable-settings"} <= set(
        tables
    )
    assert all(0 <= row["survival"] <= 1 for row in tables["survival-learning-rate"])


def test_csv_is_one_file_per_table(cli: Cli, studies: Path) -> None:
    printed = cli("report", "small", "--format", "csv", "--output", "tables", *STORAGE).stdout.splitlines()
    assert sorted(printed) == sorted(str(path.relative_to(studies)) for path in (studies / "tables").iterdir())
    with (studies / "tables" / "map-learning-rate-batch-size.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"slice", "x", "y", "probability", "low", "high"} <= set(rows[0])
    assert all(float(row["low"]) <= float(row["probability"]) <= float(row["high"]) for row in rows)


@pytest.mark.browser
def test_png_is_one_picture_per_figure(cli: Cli, studies: Path, chromium: str) -> None:
    pytest.importorskip("kaleido")
    printed = cli("report", "waiting", "--format", "png", "--output", "pictures", *STORAGE).stdout.splitlines()
    assert len(printed) >= 8
    for path in printed:
        assert (studies / path).read_bytes().startswith(b"\x89PNG")
        assert (studies / path).stat().st_size > 10_000


def test_claims_of_another_file_are_judged_with_another_tolerance(cli: Cli, studies: Path) -> None:
    (studies / "more.toml").write_text(
        '[[claims]]\nsays = "learning_rate <= 1e-4 avoids divergence"\ntolerance = 0.4\n'
    )
    done = cli("report", "small", "--format", "json", "--claims", "more.toml", "--tolerance", "0.2", *STORAGE)
    found = json.loads(done.stdout)
    assert found["tolerance"] == 0.2
    (claim,) = found["tables"]["claims"]
    assert claim["avoids"] == "yes"
    assert claim["diverged"] == 0
    assert [each["says"] for each in found["claims"]] == ["learning_rate <= 1e-4 avoids divergence"]
    assert isinstance(found["remedies"], list)


def test_two_studies_are_compared_on_one_page(cli: Cli, studies: Path) -> None:
    done = cli("report", "small", "waiting", *STORAGE)
    assert done.stdout.splitlines()[-1] == "Comparison: reports/small-and-waiting.html"
    page = (studies / "reports" / "small-and-waiting.html").read_text(encoding="utf-8")
    assert re.search(r"small: \d+% \(\d+ of 30; 95% interval", page)
    assert "diverged within 100 steps." in page


def test_any_number_of_studies_is_compared_with_the_first(cli: Cli, studies: Path) -> None:
    database = Database.open(f"sqlite:///{studies / 'stability.db'}")
    for name in ("third", "fourth"):
        build_study(Repository(database), diverges_above(1e-2), trials=8, definition=make_definition(name=name))
    database.close()
    done = cli("report", "small", "waiting", "third", "fourth", *STORAGE)
    assert done.stdout.splitlines()[-1] == "Comparison: reports/small-and-waiting-and-2-more.html"
    assert (studies / "reports" / "small-and-waiting-and-2-more.html").exists()
    found = json.loads(cli("report", "waiting", "small", "third", "--format", "json", *STORAGE).stdout)
    assert found["studies"] == ["waiting", "small", "third"]
    assert isinstance(found["remedies"], list)
    assert found["settings"]["seed"] == {"waiting": "8", "small": "7", "third": "7"}
    cli("report", "small", "waiting", "--format", "json", "--output", "both.json", *STORAGE)
    assert json.loads((studies / "both.json").read_text())["studies"] == ["small", "waiting"]


def test_watching_a_finished_study_writes_it_once(cli: Cli, studies: Path) -> None:
    cli("report", "small", "--watch", *STORAGE)
    assert 'http-equiv="refresh"' not in (studies / "reports" / "small.html").read_text(encoding="utf-8")


def test_watching_goes_on_until_it_is_interrupted(studies: Path, environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "stability_sweep", "report", "waiting", "--watch", *STORAGE],
        cwd=studies, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    path = studies / "reports" / "waiting.html"
    wait_until(path.exists, "the report")
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, errors = output_of(process)
    assert process.returncode == 0, errors
    assert output.splitlines()[-1] == "Report: reports/waiting.html"
    assert 'http-equiv="refresh" content="60"' in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("small", "small"), "expected different studies to compare, got 'small' twice"),
        (("small", "waiting", "small"), "expected different studies to compare, got 'small' twice"),
        (("small", "waiting", "--format", "csv"), "a comparison is written as HTML or JSON"),
        (("small", "--watch", "--format", "json"), "--watch writes HTML: leave --format out"),
        (("small", "waiting", "--watch"), "a comparison takes neither --watch nor --claims"),
        (("small", "nobody"), "there is no study 'nobody'"),
        (("small", "waiting", "nobody"), "there is no study 'nobody'"),
        (("small", "--claims", "missing.toml"), "missing.toml: cannot be read"),
        (("small", "--claims", "empty.toml"), "expected at least one [[claims]] table"),
        (("small", "--claims", "odd.toml"), 'claims: says: expected "DIMENSION <= VALUE'),
        (("small", "--claims", "other.toml"), "expected a dimension of this study (learning_rate"),
        (("small", "--output", "stability.db/x.html"), "cannot be written"),
    ],
)
def test_mistakes_are_told_in_one_line(cli: Cli, studies: Path, arguments: tuple[str, ...], message: str) -> None:
    (studies / "empty.toml").write_text("")
    (studies / "odd.toml").write_text('[[claims]]\nsays = "it is fine"\n')
    (studies / "other.toml").write_text('[[claims]]\nsays = "model.n_lf = 1 avoids divergence"\n')
    assert message in error_line(cli("report", *arguments, *STORAGE, code=2))
