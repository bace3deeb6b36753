"""Processes that start at once: they come from a server that has imported torch, the report and the rest once."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerContext
from pathlib import Path

from tests.waiting import HANG_SECONDS

PRELOADED = [
    "stability_sweep.cli.app",
    "stability_sweep.cli.export",
    "stability_sweep.engine.loop",
    "stability_sweep.report.files.json_file",
    "stability_sweep.report.panels.registry",
    "stability_sweep.report.study_report",
    "stability_sweep.sampling.boundary",
    "stability_sweep.sampling.kinds",
    "stability_sweep.targets.images.digits",
    "stability_sweep.targets.rhvae.target",
    "stability_sweep.terminal.display",
    "stability_sweep.workers.launch.crew",
    "stability_sweep.workers.launch.local",
    "stability_sweep.workers.preparation",
    "stability_sweep.workers.replay",
    "stability_sweep.workers.worker",
    # What these import only when they need it.
    "optuna.storages._rdb.storage",
    "plotly.io",
    "psycopg",
    "pymysql",
    "scipy.optimize",
    "scipy.stats",
    "sklearn.datasets",
    "sklearn.ensemble",
    "sklearn.gaussian_process",
    "sklearn.inspection",
    "sqlalchemy.dialects.sqlite",
    "statsmodels.duration.hazard_regression",
    "statsmodels.duration.survfunc",
    "statsmodels.stats.proportion",
    "tests.workers.faults",
]
"""What a process would take seconds to import. The server passes over in silence what it cannot import."""


def context() -> ForkServerContext:
    """Where the processes come from; there is one server for all of them."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(PRELOADED)
    return found


def run_program(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run ``stability-sweep`` in a process of its own, as from a shell, but without the seconds of a cold start.

    Args:
        arguments: of the command line.
        folder: where it runs.
        environment: all the variables that it has.

    Raises:
        subprocess.TimeoutExpired: if it never ends.
    """
    with tempfile.TemporaryDirectory() as place:
        outputs = [Path(place) / name for name in ("stdout", "stderr")]
        process = context().Process(target=_program, args=(list(arguments), folder, dict(environment), outputs))
        process.start()
        process.join(HANG_SECONDS)
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired(list(arguments), HANG_SECONDS)
        code = process.exitcode
        assert code is not None
        printed = [path.read_text(encoding="utf-8") for path in outputs]
    return subprocess.CompletedProcess(list(arguments), code, *printed)


def _program(arguments: list[str], folder: Path, environment: dict[str, str], outputs: list[Path]) -> None:
    """What the process does: become the program."""
    for number, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    sys.argv = ["stability-sweep", *arguments]
    from stability_sweep.cli import main

    main()
