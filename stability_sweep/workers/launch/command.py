"""How a worker process is started: its command line and its environment, worded in one place.

The command ``worker`` of the command line takes the names of its options from here.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from stability_sweep.environment import PARENT_VARIABLE, STORAGE_VARIABLE

WORKER = "worker"
"""The command's name."""

DATA_DIR, DEVICE, THREADS = "--data-dir", "--device", "--threads"
"""Options that a launcher gives to its workers."""

_WITHOUT_WORKING_FOLDER = (
    "import os, sys; sys.path[:] = [p for p in sys.path if p not in ('', os.getcwd())]; "
    "from stability_sweep.cli import main; main()"
)
"""Python 3.10 has no safe path."""


@dataclass(frozen=True)
class WorkerOptions:
    """What a launcher says to a worker; None leaves it to the worker."""

    device: str | None = None
    threads: int | None = None
    data_dir: Path | None = None

    @property
    def words(self) -> list[str]:
        """As words of a command line."""
        pairs = {DATA_DIR: self.data_dir, DEVICE: self.device, THREADS: self.threads}
        return [word for name, value in pairs.items() if value is not None for word in (name, str(value))]


NO_OPTIONS = WorkerOptions()
"""The worker decides everything for itself."""


def worker_command(study: str, options: WorkerOptions) -> list[str]:
    """The command line of a worker. It imports nothing from its working folder, which may hold anybody's `copy.py`."""
    if sys.version_info >= (3, 11):
        start = [sys.executable, "-P", "-m", "stability_sweep"]
    else:
        start = [sys.executable, "-c", _WITHOUT_WORKING_FOLDER]
    return [*start, WORKER, study, *options.words]


def worker_environment(secret_url: str) -> dict[str, str]:
    """The environment of a worker of this process: with the storage URL, which no argument may show."""
    return {**os.environ, STORAGE_VARIABLE: secret_url, PARENT_VARIABLE: str(os.getpid())}
