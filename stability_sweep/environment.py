"""The environment variables that the program reads, and what holds without them."""

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
