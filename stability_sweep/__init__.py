"""Hyperparameter stability sweeps: keep the runs that diverge, and map where they do.

The packages, in the order in which they may import each other (each imports only those above it; import-linter holds
it)::

    text, errors, environment, typing, registry, mistakes,
    space, results, engine, targets, definition, gaussian_process, sampling, storage, sources, analysis, sweep, report,
    terminal, cli
"""

from importlib.metadata import version

__version__ = version("stability-sweep")
