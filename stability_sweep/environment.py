"""The environment variables that the program reads, and what holds without them."""

import math
import os
from collections.abc import Iterable

from stability_sweep.errors import EnvironmentVariableError

STORAGE_VARIABLE = "STABILITY_SWEEP_STORAGE"
"""The storage URL: unlike an argument, other users of the machine cannot see it."""

DEFAULT_STORAGE = "sqlite:///stability-sweep.db"
"""A SQLite file in the working folder."""

PARENT_VARIABLE = "STABILITY_SWEEP_PARENT"
"""Process id of the launcher of a worker: the worker ends when that process does."""

DATA_VARIABLE = "STABILITY_SWEEP_DATA"
"""A folder with the MNIST files."""

HEARTBEAT_VARIABLE = "STABILITY_SWEEP_HEARTBEAT_SECONDS"
"""Seconds between two heartbeats of a worker (default 10); three missing ones mean that it is dead."""

SPOOL_VARIABLE = "STABILITY_SWEEP_SPOOL"
"""A folder for results that the database could not take yet; by default the user's state folder."""

DATABASE_TIMEOUT_VARIABLE = "STABILITY_SWEEP_DATABASE_TIMEOUT_SECONDS"
"""Seconds for which a database server may say nothing before it counts as away (default 30)."""


LONGEST_SECONDS = 86_400.0
"""A time of over a day in the environment is a mistake."""


def seconds_from(variable: str, default: float) -> float:
    """A time from the environment, in seconds; the default where the variable is not set.

    Raises:
        EnvironmentVariableError: if it is no number above 0 and up to a day.
    """
    text = os.environ.get(variable)
    if text is None:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= LONGEST_SECONDS:
        raise EnvironmentVariableError(
            f"${variable}: expected seconds above 0 and up to {LONGEST_SECONDS:.0f}, got {text[:40]!r}; correct it, or "
            f"unset it for the default of {default:g}"
        )
    return seconds


ALLOWED_IMPORTS_VARIABLE = "STABILITY_SWEEP_ALLOWED_IMPORTS"
"""Modules and packages, separated by commas, that a definition may have imported; whoever writes a row of the database
would otherwise choose what runs here. `run FILE` adds what FILE itself names."""


def is_import_allowed(module: str) -> bool:
    """Whether this machine lets a definition import a module: it, or a package above it, is named."""
    allowed = [name.strip() for name in os.environ.get(ALLOWED_IMPORTS_VARIABLE, "").split(",")]
    return any(name and (module == name or module.startswith(f"{name}.")) for name in allowed)


def allow_imports(modules: Iterable[str]) -> None:
    """Allow modules in this process and in those that it starts."""
    new = [module for module in modules if not is_import_allowed(module)]
    present = os.environ.get(ALLOWED_IMPORTS_VARIABLE, "")
    if new:
        os.environ[ALLOWED_IMPORTS_VARIABLE] = ",".join([*([present] if present else []), *new])
