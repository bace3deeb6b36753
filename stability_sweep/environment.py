"""The environment variables that the program reads, and what holds without them."""

STORAGE_VARIABLE = "STABILITY_SWEEP_STORAGE"
"""The storage URL: unlike an argument, other users of the machine cannot see it."""

DEFAULT_STORAGE = "sqlite:///stability-sweep.db"
"""A SQLite file in the working folder."""

PARENT_VARIABLE = "STABILITY_SWEEP_PARENT"
"""Process id of the launcher of a worker: the worker ends when that process does."""

DATA_VARIABLE = "STABILITY_SWEEP_DATA"
"""A folder with the MNIST files."""
