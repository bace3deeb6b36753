"""Running a study: trials, workers, and the processes they live in."""

from stability_sweep.sweep.dask_launcher import launch_on_dask
from stability_sweep.sweep.launcher import launch_workers
from stability_sweep.sweep.observer import SweepObserver
from stability_sweep.sweep.preparation import prepare_study
from stability_sweep.sweep.stopping import StopRequest
from stability_sweep.sweep.worker import Worker

__all__ = ["StopRequest", "SweepObserver", "Worker", "launch_on_dask", "launch_workers", "prepare_study"]
