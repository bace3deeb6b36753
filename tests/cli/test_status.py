"""`status` on the real program: who lives and who is dead."""

from __future__ import annotations

import json
import re
from pathlib import Path

from stability_sweep.storage import Database, Repository
from stability_sweep.storage.fleet import Fleet
from tests.cli.conftest import Cli
from tests.conftest import make_definition


def test_status_shows_workers_alive_and_dead_and_forgets_those_that_left(cli: Cli, tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'stability-sweep.db'}", create=True)
    study = Repository(database).create_study(make_definition(), "digits")
    fleet = Fleet(database, study)
    fleet.join(host="alive.example.org", process_id=1, device="cuda:0", grace_seconds=3600)
    fleet.join(host="dead.example.org", process_id=2, device="cpu", grace_seconds=-1)
    fleet.leave(fleet.join(host="gone.example.org", process_id=3, device="cpu", grace_seconds=3600))
    database.close()
    text = cli("status", "small").stdout
    assert re.search(r"^worker    alive\.example\.org:1 on cuda:0, alive, last seen \d+ s ago, no trial$", text, re.M)
    assert "worker    dead.example.org:2 on cpu, DEAD, last seen" in text
    assert "gone" not in text
    workers = json.loads(cli("status", "small", "--json").stdout)["workers"]
    assert {worker["host"]: worker["alive"] for worker in workers} == {
        "alive.example.org": True, "dead.example.org": False,
    }  # fmt: skip
