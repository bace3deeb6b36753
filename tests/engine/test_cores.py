from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stability_sweep.engine import cores


def in_a_process(code: str, **variables: str) -> str:
    """What a fresh process prints that may use core 0 alone."""
    environment = {key: value for key, value in os.environ.items() if key not in cores.THREAD_VARIABLES}
    return subprocess.run(
        [sys.executable, "-c", f"import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n{code}"],
        env={**environment, **variables}, capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip


def test_a_process_that_is_bound_to_one_core_is_allowed_one() -> None:
    assert in_a_process("from stability_sweep.engine.cores import allowed_cores; print(allowed_cores())") == "1"


def test_threads_that_the_environment_sets_are_left_alone() -> None:
    code = (
        "from stability_sweep.engine import cores; cores.allowed_cores = lambda: 4\n"
        "from stability_sweep.engine.devices import set_threads; print(set_threads(None, workers=2))"
    )
    assert in_a_process(code, OMP_NUM_THREADS="1") == "1"
    assert in_a_process(code) == "2"


@pytest.mark.parametrize(
    ("files", "cores_allowed"),
    [({"cpu.max": "150000 100000"}, 1.5), ({"cpu.max": "max 100000"}, None), ({}, None),
     ({"cpu.cfs_quota_us": "200000", "cpu.cfs_period_us": "100000"}, 2.0),
     ({"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"}, None), ({"cpu.max": "nonsense"}, None)],
)  # fmt: skip
def test_the_limit_of_a_control_group_is_read(
    tmp_path: Path, files: dict[str, str], cores_allowed: float | None
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert cores._quota(tmp_path) == cores_allowed


def test_slurm_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    assert cores.allowed_cores() == 1
