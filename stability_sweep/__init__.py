"""Hyperparameter stability sweeps: keep the runs that diverge, and map where they do.

The packages, in the order in which they may import each other (each imports only those above it)::

    environment, errors, outcome, search_space, configs, definition,
    data, models, training, sampling, storage, sweep, analysis, report, cli
"""

from importlib.metadata import version

__version__ = version("stability-sweep")
