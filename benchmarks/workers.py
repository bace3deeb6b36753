"""The ways to run two workers on one machine, beside each other: none may be the slow one.

`run --workers 2`; two `worker` processes; two workers of a dask cluster; two `worker` processes bound to a core each,
as Slurm does. And one worker with two threads, to compare. The same trials, each way in a new database, in turn.
Usage: ``python -m benchmarks.workers [--trials N] [--runs N]``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

STUDY = Path(__file__).parent.parent / "studies" / "quickstart.toml"
RUN = ["run", str(STUDY), "--no-report"]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(arguments.runs):
        for name, way in WAYS.items():
            seconds[name].append(_measured(way, arguments.trials))
            print(f"{name}: {seconds[name][-1]:.1f} s", flush=True)
    first = next(iter(seconds.values()))
    for name, values in seconds.items():
        ratios = [value / base for value, base in zip(values, first, strict=True)]
        print(
            f"{name}: median {statistics.median(values):.1f} s [{min(values):.1f}, {max(values):.1f}]; "
            f"ratio {statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"
        )


def _measured(way: Callable[[Path, int], float], trials: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return way(Path(folder), trials)


def _program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "stability_sweep", *arguments]


def _environment() -> dict[str, str]:
    """Ours, without a number of threads: how they share the cores is what is measured."""
    ours = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    return {**ours, "STABILITY_SWEEP_STORAGE": "sqlite:///study.db"}


def _run(folder: Path, trials: int, *options: str) -> float:
    started = time.perf_counter()
    command = _program(*RUN, "--trials", str(trials), *options)
    subprocess.run(command, cwd=folder, env=_environment(), check=True, capture_output=True)
    return time.perf_counter() - started


def _workers(folder: Path, trials: int, cores: tuple[int | None, int | None] = (None, None)) -> float:
    """Two `worker` processes, each bound to its core if there is one."""
    _run(folder, trials, "--workers", "1", "--timeout", "0")  # makes the study
    started = time.perf_counter()
    processes = []
    for core in cores:
        prefix = [] if core is None else ["taskset", "--cpu-list", str(core)]
        processes.append(
            subprocess.Popen(
                [*prefix, *_program("worker", "quickstart")],
                cwd=folder,
                env=_environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
    if any(process.wait() for process in processes):
        sys.exit("a worker failed")
    return time.perf_counter() - started


def _dask(folder: Path, trials: int) -> float:
    import distributed

    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        storage = f"sqlite:///{folder}/study.db"
        return _run(
            folder, trials, "--launcher", "dask", "--scheduler", cluster.scheduler_address, "--storage", storage
        )


WAYS: dict[str, Callable[[Path, int], float]] = {
    "run --workers 2": lambda folder, trials: _run(folder, trials, "--workers", "2"),
    "two worker processes": _workers,
    "two dask workers": _dask,
    "two workers bound to a core each": lambda folder, trials: _workers(folder, trials, (0, 1)),
    "one worker, two threads": lambda folder, trials: _run(folder, trials, "--workers", "1", "--threads", "2"),
}


if __name__ == "__main__":
    main()
