"""Hyperparameter stability sweeps: keep the runs that diverge, and map where they do.

``open_study`` and ``sweep`` are the first line of Python, ``BoundarySampler`` works in any Optuna study.

The packages, in the order in which they may import each other (each imports only those above it; import-linter holds
it)::

    text, lazy, errors, environment, typing, registry, mistakes,
    space, results, engine, targets, models, definition, gaussian_process, sampling, storage, sources, analysis,
    workers, report, terminal, python_api, cli
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from stability_sweep.lazy import lazily

if TYPE_CHECKING:
    from stability_sweep.python_api import Study, open_study, sweep
    from stability_sweep.sampling import BoundarySampler

__all__ = ["BoundarySampler", "Study", "__version__", "open_study", "sweep"]

__version__ = version("stability-sweep")

__getattr__ = lazily(
    __name__,
    {
        "BoundarySampler": "stability_sweep.sampling",
        "Study": "stability_sweep.python_api",
        "open_study": "stability_sweep.python_api",
        "sweep": "stability_sweep.python_api",
    },
)
