"""How a worker process is started, worded in one place."""

from __future__ import annotations

import sys
from collections.abc import Sequence

_WITHOUT_WORKING_FOLDER = (
    "import os, sys; sys.path[:] = [p for p in sys.path if p not in ('', os.getcwd())]; "
    "from stability_sweep.cli import main; main()"
)
"""Python 3.10 has no safe path."""


def worker_command(study: str, options: Sequence[str] = ()) -> list[str]:
    """The command line of a worker. It imports nothing from its working folder, which may hold anybody's `copy.py`."""
    if sys.version_info >= (3, 11):
        start = [sys.executable, "-P", "-m", "stability_sweep"]
    else:
        start = [sys.executable, "-c", _WITHOUT_WORKING_FOLDER]
    return [*start, "worker", study, *options]
