"""Ctrl-C and SIGTERM on the real program."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli
from tests.conftest import DEFINITION_TOML
from tests.waiting import HANG_SECONDS, growing_limits, output_of, wait_until

LONG = DEFINITION_TOML.replace("horizon_steps = 5", "horizon_steps = 1000000").replace("high = 1e-1", "high = 2e-5")


@contextmanager
def started(tmp_path: Path, environment: dict[str, str], *options: str) -> Iterator[subprocess.Popen[str]]:
    (tmp_path / "long.toml").write_text(LONG)
    process = subprocess.Popen(
        [sys.executable, "-m", "stability_sweep", "run", "long.toml", *options],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a group of its own, which a test can signal as a whole
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def rows(folder: Path, table: str) -> int:
    """How many rows the program's table has so far; none while there is no such table."""
    if not (folder / "stability-sweep.db").exists():
        return 0
    with closing(sqlite3.connect(folder / "stability-sweep.db", timeout=HANG_SECONDS)) as connection:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone() is None:
            return 0
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def wait_for_running(cli: Cli, tmp_path: Path, count: int) -> None:
    wait_until(lambda: rows(tmp_path, "stability_workers") == count, f"{count} workers")
    wait_until(
        lambda: json.loads(cli("status", "small", "--json").stdout)["running"] == count, f"{count} trials at once"
    )


BEGINNINGS: dict[str, Callable[[Path], bool]] = {
    "the database is made": lambda folder: (folder / "stability-sweep.db").exists(),
    "the study is made": lambda folder: rows(folder, "studies") == 1,
    "one worker has joined": lambda folder: rows(folder, "stability_workers") >= 1,
    "both workers have joined": lambda folder: rows(folder, "stability_workers") == 2,
}
"""The moments at which a run may be interrupted before its trials run."""


@pytest.mark.parametrize(("sent", "workers"), [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGINT, 2)])
def test_an_interrupted_run_gives_its_trials_back(
    cli: Cli, tmp_path: Path, environment: dict[str, str], sent: signal.Signals, workers: int
) -> None:
    with started(tmp_path, environment, "--workers", str(workers)) as process:
        wait_for_running(cli, tmp_path, workers)
        process.send_signal(sent)
        output, errors = output_of(process)  # it comes to its end although no trial comes to its horizon
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "interrupted: 0 of 4 trials of study small have an outcome; run the same command again" in errors
    assert output == ""
    status: dict[str, Any] = json.loads(cli("status", "small", "--json").stdout)
    assert (status["running"], status["waiting"]) == (0, workers)
    assert sum(status["outcomes"].values()) == 0
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("moment", BEGINNINGS)
def test_an_interruption_while_workers_start_is_one_too(
    tmp_path: Path, environment: dict[str, str], moment: str
) -> None:
    with started(tmp_path, environment, "--workers", "2") as process:
        wait_until(lambda: BEGINNINGS[moment](tmp_path), moment)
        process.send_signal(signal.SIGTERM)
        _, errors = output_of(process)
    assert process.returncode in (130, -signal.SIGTERM), errors
    assert "error" not in errors


@pytest.mark.parametrize("sent", [(signal.SIGINT, signal.SIGINT), (signal.SIGKILL,)], ids=["twice", "killed"])
def test_workers_end_with_their_launcher_and_give_their_trials_back(
    cli: Cli, tmp_path: Path, environment: dict[str, str], sent: tuple[signal.Signals, ...]
) -> None:
    with started(tmp_path, environment, "--workers", "2") as process:
        wait_for_running(cli, tmp_path, 2)
        for number in sent:
            process.send_signal(number)
            time.sleep(0.1)
        output_of(process)

    def given_back() -> bool:
        status = json.loads(cli("status", "small", "--json").stdout)
        return (status["running"], status["waiting"]) == (0, 2)

    wait_until(given_back, "both trials given back")


def test_a_time_limit_ends_the_run_with_a_report(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "long.toml").write_text(LONG)
    for limit in growing_limits(2):
        done = cli("run", "long.toml", "--workers", "1", "--timeout", str(limit))
        assert "0 of 4 trials" in done.stderr
        assert done.stdout.splitlines()[-1] == "Report: reports/small.html"
        status = json.loads(cli("status", "small", "--json").stdout)
        assert status["running"] == 0
        if status["waiting"] == 1:  # a trial had begun within the limit, and was given back
            break


def test_a_storm_of_signals_to_the_whole_group_is_one_request(
    cli: Cli, tmp_path: Path, environment: dict[str, str]
) -> None:
    with started(tmp_path, environment, "--workers", "2") as process:
        wait_for_running(cli, tmp_path, 2)
        workers = _children(process.pid)
        assert len(workers) == 2
        for _ in range(5):
            for target in (process.pid, *workers):
                with contextlib.suppress(ProcessLookupError):  # it ended already: the storm goes on for the others
                    os.kill(target, signal.SIGTERM)
            time.sleep(0.03)
        _, errors = output_of(process)
    assert process.returncode == 130, errors
    status = json.loads(cli("status", "small", "--json").stdout)
    assert (status["running"], status["waiting"]) == (0, 2)


def test_a_worker_alone_takes_a_storm_as_one_request(cli: Cli, tmp_path: Path, environment: dict[str, str]) -> None:
    with started(tmp_path, environment, "--workers", "1") as process:
        wait_for_running(cli, tmp_path, 1)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            time.sleep(0.03)
        _, errors = output_of(process)
    assert process.returncode == 130, errors
    status = json.loads(cli("status", "small", "--json").stdout)
    assert (status["running"], status["waiting"]) == (0, 1)


def _children(pid: int) -> list[int]:
    """Process ids of what a process started and what still runs."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in listed.stdout.split()]
