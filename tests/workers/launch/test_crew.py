"""Who works where: what a run asks of its launchers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from stability_sweep.storage import Repository
from stability_sweep.workers.launch import crew as crew_module
from stability_sweep.workers.launch.command import WorkerOptions
from stability_sweep.workers.launch.crew import Crew
from stability_sweep.workers.observer import SilentObserver
from stability_sweep.workers.stopping import StopRequest
from tests.conftest import StudyBuilder, make_definition, make_result

CPU = torch.device("cpu")
Asked = dict[str, Any]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What the launchers were asked for, instead of launching."""
    found: Asked = {}
    monkeypatch.setattr(crew_module, "launch_workers", lambda count, *others, **options: found.update(options, n=count))
    monkeypatch.setattr(crew_module, "launch_on_dask", lambda address, *others, **options: found.update(options))
    monkeypatch.setattr(crew_module, "set_threads", lambda threads, *, workers: threads or 8 // workers)
    monkeypatch.setattr(crew_module, "allowed_cores", lambda: 4)
    return found


def work(repository: Repository, crew: Crew) -> None:
    study = repository.create_study(make_definition(budget={"trials": 100}), "digits")
    crew.work(repository, study, StopRequest(), SilentObserver())


@pytest.mark.parametrize(
    ("crew", "count", "threads"),
    [(Crew(["auto"], CPU), 4, 2), (Crew(["auto"], CPU, workers=2), 2, 4), (Crew(["auto"], CPU, threads=1), 4, 1)],
)
def test_workers_here_are_as_many_as_cores_and_share_them(
    repository: Repository, asked: Asked, crew: Crew, count: int, threads: int
) -> None:
    work(repository, crew)
    assert (asked["n"], asked["options"]) == (count, WorkerOptions(threads=threads))


def test_workers_here_take_the_devices_in_turn_at_least_one_each(repository: Repository, asked: Asked) -> None:
    work(repository, Crew(["cuda:0", "cuda:1"], torch.device("cuda:0"), data_dir=Path("/data")))
    assert (asked["n"], asked["devices"]) == (2, ["cuda:0", "cuda:1"])
    assert asked["options"] == WorkerOptions(threads=4, data_dir=Path("/data"))


def test_workers_of_a_cluster_decide_on_their_threads_unless_told(repository: Repository, asked: Asked) -> None:
    work(repository, Crew(["cpu"], CPU, workers=3, scheduler="tcp://host:1", resources={"GPU": 1.0}))
    assert asked == {"count": 3, "options": WorkerOptions(device="cpu"), "resources": {"GPU": 1.0}}


def test_a_single_worker_loads_no_data_for_a_study_that_has_ended(
    finished_study: StudyBuilder, repository: Repository, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = finished_study(lambda point: make_result(), trials=2)
    monkeypatch.setattr(type(study.definition), "prepare", lambda *_, **__: pytest.fail("the data were loaded"))
    Crew(["cpu"], CPU, workers=1).work(repository, study, StopRequest(), SilentObserver())
    assert asked == {}
