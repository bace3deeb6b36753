"""`status` on the real program: who lives and who is dead."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from stability_sweep.storage import Database, Repository
from stability_sweep.storage.trial_holds import TrialHolds
from stability_sweep.storage.workers import Workers
from tests.cli.conftest import Cli
from tests.conftest import build_study, diverges_above, make_definition


def test_status_shows_workers_alive_and_dead_and_forgets_those_that_left(cli: Cli, tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'stability-sweep.db'}", create=True)
    study = Repository(database).create_study(make_definition(), "digits")
    workers = Workers(database, study)
    workers.join(host="alive.example.org", process_id=1, device="cuda:0", grace_seconds=3600)
    workers.join(host="dead.example.org", process_id=2, device="cpu", grace_seconds=-1)
    workers.leave(workers.join(host="gone.example.org", process_id=3, device="cpu", grace_seconds=3600))
    database.close()
    text = cli("status", "small").stdout
    assert re.search(r"^worker    alive\.example\.org:1 on cuda:0, alive, last seen \d+ s ago, no trial$", text, re.M)
    assert "worker    dead.example.org:2 on cpu, DEAD, last seen" in text
    assert "gone" not in text
    workers = json.loads(cli("status", "small", "--json").stdout)["workers"]
    assert {worker["host"]: worker["alive"] for worker in workers} == {
        "alive.example.org": True, "dead.example.org": False,
    }  # fmt: skip


def test_status_tells_every_trial_that_a_worker_runs(cli: Cli, tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'stability-sweep.db'}", create=True)
    study = Repository(database).create_study(make_definition(), "digits")
    workers = {
        host: Workers(database, study).join(host=host, process_id=1, device="cpu", grace_seconds=3600)
        for host in ("idle", "busy")
    }
    storage = database.optuna_storage
    for number in range(3):
        trial_id = storage.create_new_trial(study.study_id)
        if number != 1:
            TrialHolds(database, study).hold(trial_id, workers["busy"])
    database.close()
    told = cli("status", "small").stdout
    assert re.search(r"^worker    busy:1 on cpu, alive, last seen \d+ s ago, trials 0 and 2$", told, re.M)
    listed = json.loads(cli("list", "--json").stdout)[0]["workers"]
    found = json.loads(cli("status", "small", "--json").stdout)["workers"]
    for of in (listed, found):
        assert {one["host"]: (one["trial"], one["trials"]) for one in of} == {"idle": (None, []), "busy": (0, [0, 2])}


@pytest.mark.parametrize(("trials", "knows"), [(40, True), (3, False)])
def test_status_tells_how_well_the_line_is_known_where_a_precision_is_asked(
    cli: Cli, tmp_path: Path, trials: int, knows: bool
) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'stability-sweep.db'}", create=True)
    definition = make_definition(budget={"trials": 50, "precision": 0.2}, sampler={"name": "qmc"})
    build_study(Repository(database), diverges_above(1e-3), trials=trials, definition=definition)
    database.close()
    told = cli("status", "small").stdout
    found = json.loads(cli("status", "small", "--json").stdout)["precision"]
    assert found["asked"] == 0.2
    if knows:
        assert re.search(
            r"^50% line  known to within [\d.]+ decades after 40 trials \(asked: 0\.2; least known at", told, re.M
        )
        assert 0 < found["decades"] < 4
        assert found["batch_size"] in (16, 64)
    else:
        assert "50% line  not known yet: too few trials for a surface (asked: within 0.2 decades)" in told
        assert found["decades"] is None


def test_status_says_nothing_of_a_precision_that_nobody_asked_for(cli: Cli, tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'stability-sweep.db'}", create=True)
    build_study(Repository(database), diverges_above(1e-3), trials=8)
    database.close()
    assert "50% line" not in cli("status", "small").stdout
    assert json.loads(cli("status", "small", "--json").stdout)["precision"] is None
