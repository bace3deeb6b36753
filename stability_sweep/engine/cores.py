"""How many cores and threads a worker may take: what this process is allowed, shared by all workers on this host."""

from __future__ import annotations

import os
from pathlib import Path

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Whoever sets one of these has decided: torch heeds them itself."""

CGROUP = Path("/sys/fs/cgroup")


def allowed_cores() -> int:
    """Cores that this process may use: its affinity, its control group's limit and Slurm's share; at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [affinity, *_cgroup_limits(), *_slurm_limit()]
    return max(1, min(limits))


def threads_are_set() -> bool:
    """Whether the environment says how many threads a process has."""
    return any(os.environ.get(variable, "").strip().isdigit() for variable in THREAD_VARIABLES)


def _slurm_limit() -> list[int]:
    text = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return [int(text)] if text.isdigit() and int(text) else []


def _cgroup_limits() -> list[int]:
    """Whole cores of every limit from this process's control group up to the root (versions 2 and 1)."""
    try:
        entries = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        entries = []
    paths = [line.split(":", 2) for line in entries if line.count(":") >= 2]
    found = []
    for _, controllers, path in paths:
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = CGROUP if not controllers else CGROUP / controllers
        folder = root / path.lstrip("/")
        for place in (folder, *folder.parents):
            quota = _quota(place)
            if quota is not None:
                found.append(max(1, int(quota)))
            if place == root:
                break
    return found


def _quota(folder: Path) -> float | None:
    """Cores that a control group may use; None where it has no limit."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()[:2]
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        return None if quota == "max" or int(quota) <= 0 else int(quota) / int(period)
    except (OSError, ValueError):
        return None
