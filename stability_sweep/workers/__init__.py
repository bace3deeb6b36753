"""Running a study: trials, workers, and the processes they live in.

Most of it loads torch and the database libraries. `launch.command`, from which the command line takes the names of
options, does not; nothing is loaded here before it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stability_sweep.lazy import lazily

if TYPE_CHECKING:
    from stability_sweep.workers.launch.dask import launch_on_dask
    from stability_sweep.workers.launch.local import launch_workers
    from stability_sweep.workers.observer import SweepObserver
    from stability_sweep.workers.preparation import prepare_study
    from stability_sweep.workers.stopping import StopRequest
    from stability_sweep.workers.worker import Worker

__all__ = ["StopRequest", "SweepObserver", "Worker", "launch_on_dask", "launch_workers", "prepare_study"]

__getattr__ = lazily(
    __name__,
    {
        "StopRequest": "stability_sweep.workers.stopping",
        "SweepObserver": "stability_sweep.workers.observer",
        "Worker": "stability_sweep.workers.worker",
        "launch_on_dask": "stability_sweep.workers.launch.dask",
        "launch_workers": "stability_sweep.workers.launch.local",
        "prepare_study": "stability_sweep.workers.preparation",
    },
)
