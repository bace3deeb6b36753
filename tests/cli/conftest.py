"""The real program in a process of its own."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from stability_sweep.storage import Database
from tests.processes import run_program

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


def clean_environment(folder: Path) -> dict[str, str]:
    """The environment without our own variables, and with a cache and a state of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STABILITY_SWEEP_")}
    own = {"XDG_CACHE_HOME": str(folder / "cache"), "XDG_STATE_HOME": str(folder / "state"), "COLUMNS": "120"}
    return {**kept, **own}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What the program runs with."""
    return clean_environment(tmp_path)


@pytest.fixture
def cli(tmp_path: Path, environment: dict[str, str]) -> Cli:
    """Run the program in a temporary folder and return what it printed."""

    def run(*arguments: str, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        return ended_with(code, run_program(arguments, tmp_path, {**environment, **variables}))

    return run


def ended_with(code: int, done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert done.returncode == code, f"exit code {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done


OLD_DATABASE = Path(__file__).parent.parent / "data" / "schema-0003.sql"
"""A real study of 14 trials on the digits, written by schema version 0003 (see `test_older_database`)."""


@pytest.fixture
def old(tmp_path: Path) -> str:
    """The URL of that database, restored, and upgraded as its owner has to upgrade it."""
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        connection.executescript(OLD_DATABASE.read_text(encoding="utf-8"))
    url = f"sqlite:///{tmp_path / 'old.db'}"
    Database.upgrade(url)
    return url


def error_line(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a user's mistake gives: no traceback, nothing on standard output."""
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    return lines[0].removeprefix("error: ")
