"""The command line of a worker is one that the command line understands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stability_sweep.cli import worker as worker_command_module
from stability_sweep.cli.app import app
from stability_sweep.workers.launch.command import NO_OPTIONS, WorkerOptions, worker_command


def words_of(options: WorkerOptions) -> list[str]:
    command = worker_command("small", options)
    assert command[0] == sys.executable
    return command[command.index("worker") :]


def test_what_is_not_said_is_left_to_the_worker() -> None:
    assert words_of(NO_OPTIONS) == ["worker", "small"]
    assert words_of(WorkerOptions(threads=2)) == ["worker", "small", "--threads", "2"]


def test_the_command_line_knows_every_option_of_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    class EnoughError(Exception):
        pass

    def prepare(self: object, **options: Any) -> None:
        asked.append(options)
        raise EnoughError

    class Definition:
        effective_definition = type("Effective", (), {"prepare": prepare})()

    class Repository:
        def get_study(self, name: str) -> Definition:
            assert name == "small"
            return Definition()

    monkeypatch.setattr(worker_command_module, "open_repository", lambda storage: Repository())
    threads: list[int] = []
    monkeypatch.setattr("stability_sweep.engine.devices.set_threads", threads.append)
    words = words_of(WorkerOptions(device="cpu", threads=3, data_dir=Path("/data")))
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, EnoughError), done.output
    (options,) = asked
    assert (options["data_dir"], str(options["device"]), threads) == (Path("/data"), "cpu", [3])
