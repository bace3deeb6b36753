from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from stability_sweep.engine import cores
from stability_sweep.storage import Repository
from stability_sweep.storage.workers import Workers
from stability_sweep.sweep import StopRequest, Worker, prepare_study
from stability_sweep.sweep.provenance import provenance_here
from stability_sweep.targets.images.images import load_images
from stability_sweep.targets.rhvae.trainable import PreparedRHVAE
from tests.conftest import make_definition


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


def test_workers_of_one_host_share_its_cores_from_trial_to_trial(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stability_sweep.sweep.worker.allowed_cores", lambda: 4)
    study = prepare_study(repository, make_definition(budget={"trials": 3}))
    images = load_images(study.effective_definition.settings["data"], None, torch.device("cpu"))
    workers = Workers(repository.database, study)
    host = provenance_here(torch.device("cpu")).worker.rpartition(":")[0]
    others: list[str] = []

    class Neighbours:
        def trial_progressed(self, *told: object) -> None:
            pass

        def trial_finished(self, number: int, *told: object) -> None:
            if number == 0:
                others.append(workers.join(host=host, process_id=1, device="cpu", grace_seconds=600))
                workers.join(host="elsewhere", process_id=1, device="cpu", grace_seconds=600)
            else:
                workers.leave(others[0])

    before = torch.get_num_threads()
    try:
        Worker(repository, study, PreparedRHVAE(images), StopRequest(), Neighbours(), shares_cores=True).run()
    finally:
        torch.set_num_threads(before)
    assert [stored.provenance.threads for stored in repository.results(study)] == [4, 2, 4]
