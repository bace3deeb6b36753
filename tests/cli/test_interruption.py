"""Ctrl-C and SIGTERM on the real program."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli
from tests.conftest import DEFINITION_TOML

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
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_running(cli: Cli, tmp_path: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (tmp_path / "stability-sweep.db").exists():
            try:
                status = json.loads(cli("status", "small", "--json").stdout)
            except AssertionError:  # the study is just being created
                continue
            if status["running"] == count:
                return
        time.sleep(0.3)
    raise AssertionError(f"{count} trials never ran at once")


@pytest.mark.parametrize(("sent", "workers"), [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGINT, 2)])
def test_an_interrupted_run_gives_its_trials_back(
    cli: Cli, tmp_path: Path, environment: dict[str, str], sent: signal.Signals, workers: int
) -> None:
    with started(tmp_path, environment, "--workers", str(workers)) as process:
        wait_for_running(cli, tmp_path, workers)
        before = time.monotonic()
        process.send_signal(sent)
        output, errors = process.communicate(timeout=30)
        seconds = time.monotonic() - before
    assert process.returncode == 130, errors
    assert seconds < 5
    assert "Traceback" not in errors
    assert "interrupted: 0 of 4 trials of study small have an outcome; run the same command again" in errors
    assert output == ""
    status: dict[str, Any] = json.loads(cli("status", "small", "--json").stdout)
    assert (status["running"], status["waiting"]) == (0, workers)
    assert sum(status["outcomes"].values()) == 0
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("seconds", [1.0, 3.0, 5.0])
def test_an_interruption_while_workers_start_is_one_too(
    tmp_path: Path, environment: dict[str, str], seconds: float
) -> None:
    with started(tmp_path, environment, "--workers", "2") as process:
        while not (tmp_path / "stability-sweep.db").exists():
            time.sleep(0.1)
        time.sleep(seconds)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
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
        process.communicate(timeout=30)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        status = json.loads(cli("status", "small", "--json").stdout)
        if (status["running"], status["waiting"]) == (0, 2):
            return
    raise AssertionError(f"the workers went on: {status}")


def test_a_time_limit_ends_the_run_with_a_report(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "long.toml").write_text(LONG)
    done = cli("run", "long.toml", "--workers", "1", "--timeout", "2")
    assert "0 of 4 trials" in done.stderr
    assert done.stdout.splitlines()[-1] == "Report: reports/small.html"
    assert json.loads(cli("status", "small", "--json").stdout)["waiting"] == 1
