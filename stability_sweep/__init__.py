"""Hyperparameter stability sweeps: keep the runs that diverge, and map where they do.

``open_study`` and ``sweep`` are the first line of Python, ``BoundarySampler`` works in any Optuna study.

The packages, in the order in which they may import each other (each imports only those above it; import-linter holds
it)::

    text, errors, environment, typing, registry, mistakes,
    space, results, engine, targets, definition, gaussian_process, sampling, storage, sources, analysis, sweep, report,
    terminal, python_api, cli
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stability_sweep.python_api import Study, open_study, sweep
    from stability_sweep.sampling import BoundarySampler

__all__ = ["BoundarySampler", "Study", "__version__", "open_study", "sweep"]

__version__ = version("stability-sweep")

_HOMES = {
    "BoundarySampler": "stability_sweep.sampling",
    "Study": "stability_sweep.python_api",
    "open_study": "stability_sweep.python_api",
    "sweep": "stability_sweep.python_api",
}


def __getattr__(name: str) -> Any:
    """Imported when asked for: the command line, and whoever wants one thing, should not wait for all others."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
