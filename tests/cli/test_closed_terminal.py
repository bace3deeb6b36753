"""Closing the terminal ends a run as Ctrl-C does: the trial goes back to the queue, and the exit code is 130."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.test_interruption import LONG, wait_for_running
from tests.waiting import output_of


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_closed_terminal_gives_the_trials_back(
    cli: Cli, tmp_path: Path, environment: dict[str, str], workers: str
) -> None:
    (tmp_path / "long.toml").write_text(LONG)
    master, terminal = os.openpty()

    def take_terminal() -> None:
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [sys.executable, "-m", "stability_sweep", "run", "long.toml", "--workers", workers],
        cwd=tmp_path, env=environment, stdin=terminal, stdout=terminal, stderr=terminal, text=True,
        start_new_session=True, preexec_fn=take_terminal,
    )  # fmt: skip
    try:
        os.close(terminal)
        wait_for_running(cli, tmp_path, int(workers))
        os.close(master)  # the kernel sends SIGHUP, and every write fails from now on
        output_of(process)
        assert process.returncode == 130
        status = json.loads(cli("status", "small", "--json").stdout)
        assert (status["running"], status["waiting"]) == (0, int(workers))
    finally:
        process.kill()
