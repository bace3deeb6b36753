"""Trials per hour of `run`: two workers with one thread each beside one worker with two threads.

The same trials, each setting in a new database, in turn.
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
from pathlib import Path

STUDY = Path(__file__).parent.parent / "studies" / "quickstart.toml"
SETTINGS = {"2 workers, 1 thread each": (2, 1), "1 worker, 2 threads": (1, 2)}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    per_hour: dict[str, list[float]] = {name: [] for name in SETTINGS}
    for _ in range(arguments.runs):
        for name, (workers, threads) in SETTINGS.items():
            per_hour[name].append(_trials_per_hour(arguments.trials, workers, threads))
            print(f"{name}: {per_hour[name][-1]:.0f} trials per hour", flush=True)
    for name, values in per_hour.items():
        print(f"{name}: median {statistics.median(values):.0f} [{min(values):.0f}, {max(values):.0f}]")
    first, second = per_hour.values()
    ratios = [a / b for a, b in zip(first, second, strict=True)]
    print(f"ratio {statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]")


def _trials_per_hour(trials: int, workers: int, threads: int) -> float:
    command = [sys.executable, "-m", "stability_sweep", "run", str(STUDY), "--no-report", "--trials", str(trials)]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        subprocess.run(
            [*command, "--workers", str(workers), "--threads", str(threads)],
            cwd=folder,
            env={**os.environ, "STABILITY_SWEEP_STORAGE": "sqlite:///study.db"},
            check=True,
            capture_output=True,
        )
        return 3600 * trials / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
