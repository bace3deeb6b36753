"""`show`, `replay` and `db upgrade` on the real program."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import zlib
from contextlib import closing
from pathlib import Path

import optuna
import pytest

from stability_sweep.results.telemetry import FORMAT
from stability_sweep.targets.rhvae.signals import SIGNALS
from tests.cli.conftest import Cli, clean_environment, error_line
from tests.conftest import DEFINITION_TOML, plain_optuna_storage

GRID = (
    DEFINITION_TOML.replace('name = "random"', 'name = "grid"\ngrid_levels = 2')
    .replace("batch_size = [16, 64]", 'batch_size = 16\nclip_norm = "off"')
    .replace("trials = 4", "trials = 2")
    .replace("latent_dim = 2", "latent_dim = 16")
    .replace("horizon_steps = 5", "horizon_steps = 12")
)
"""Two trials: one at the lowest learning rate, which lives, and one at the highest, which dies."""


@pytest.fixture(scope="module")
def finished_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that the real program ran, once for all tests here."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "small.toml").write_text(GRID)
    command = [sys.executable, "-m", "stability_sweep", "run", "small.toml", "--workers", "1", "--threads", "1"]
    subprocess.run(
        [*command, "--no-report"], cwd=folder, check=True, capture_output=True, env=clean_environment(folder)
    )
    return folder / "stability-sweep.db"


@pytest.fixture
def swept(finished_database: Path, tmp_path: Path) -> dict[str, int]:
    """A copy of that study to read and to damage; the numbers of its trials by outcome."""
    shutil.copy(finished_database, tmp_path)
    with closing(database(tmp_path)) as connection:
        outcomes = dict(connection.execute("SELECT number, outcome FROM stability_results").fetchall())
    diverged = [number for number, outcome in outcomes.items() if outcome == "diverged"]
    assert len(diverged) == 1
    return {"diverged": diverged[0], "finite": 1 - diverged[0]}


def database(tmp_path: Path) -> sqlite3.Connection:
    return sqlite3.connect(tmp_path / "stability-sweep.db")


def test_show_tells_what_happened_in_a_trial(cli: Cli, swept: dict[str, int]) -> None:
    lines = cli("show", "small", str(swept["diverged"])).stdout.splitlines()
    assert lines[0] == f"trial {swept['diverged']} of study small"
    assert lines[1].startswith("outcome     diverged at step ")
    assert any(line.startswith("origin      ") for line in lines)
    for name in SIGNALS:
        assert any(line.startswith(f"  {name} ") for line in lines), name
    assert "the last steps:" in lines
    finite = cli("show", "small", str(swept["finite"])).stdout
    assert "origin" not in finite
    assert "▁" in finite
    assert "torch " in finite


def test_show_as_json_is_valid_json_with_every_number(cli: Cli, swept: dict[str, int]) -> None:
    text = cli("show", "small", str(swept["diverged"]), "--json").stdout
    trial = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert trial["study"] == "small"
    assert trial["result"]["divergence"]["origin"] == trial["autopsy"]["origin"]
    assert trial["autopsy"]["sentence"].endswith(".")
    assert trial["telemetry"]["steps"] == list(range(1, trial["result"]["steps"] + 1))
    assert set(trial["telemetry"]["signals"]) == set(SIGNALS)
    assert trial["point"]["clip_norm"] == "inf"
    assert trial["provenance"]["threads"] == 1


def test_show_without_a_trial_tells_where_it_began_and_what_warned(cli: Cli, swept: dict[str, int]) -> None:
    text = cli("show", "small").stdout
    assert "origin" in text.splitlines()[0]
    assert "fewer than 5 trials are stable" in text
    tables = json.loads(cli("show", "small", "--json").stdout)
    assert tables["warning_signs"] == []
    assert [row["trials"] for row in tables["origins"]] == [1]


def test_replay_gives_the_same_bits_and_saves_the_step_that_broke(
    cli: Cli, swept: dict[str, int], tmp_path: Path, environment: dict[str, str]
) -> None:
    finite = cli("replay", "small", str(swept["finite"])).stdout
    assert "same end, and the same bits at all 12 steps" in finite
    assert "torch version, device, threads and processor are the same" in finite
    number = str(swept["diverged"])
    done = cli("replay", "small", number, "--save", "nan.pt")
    assert "same end, and the same bits" in done.stdout
    assert done.stdout.splitlines()[-1] == "Saved: nan.pt; run `python nan.py` to see it break"
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("nan.pt", "nan.py")} == {0o600}
    script = subprocess.run(
        [sys.executable, "nan.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert "nan" in script.stdout or "inf" in script.stdout or "weight" in script.stdout
    answer = json.loads(cli("replay", "small", number, "--json", "--threads", "2").stdout)
    assert answer["then"]["outcome"] == answer["here"]["outcome"] == "diverged"
    assert answer["differences"] == ["threads: 1 then, 2 here"]


def test_an_interrupted_trial_shows_what_it_has(cli: Cli, swept: dict[str, int], tmp_path: Path) -> None:
    number = swept["finite"]
    with closing(database(tmp_path)) as connection, connection:
        connection.execute("DELETE FROM stability_results WHERE number = ?", (number,))
        connection.execute("UPDATE trials SET state = 'WAITING' WHERE number = ?", (number,))
    shown = cli("show", "small", str(number)).stdout
    assert "none yet: the trial is waiting" in shown
    assert "largest_latent" in shown
    message = error_line(cli("replay", "small", str(number), code=2))
    assert message.startswith(f"trial {number} has no outcome yet: it is waiting")


def test_mistakes_are_told_in_one_line(cli: Cli, swept: dict[str, int], tmp_path: Path) -> None:
    for command in (("show", "small", "7"), ("replay", "small", "7")):
        assert error_line(cli(*command, code=2)) == "study 'small' has no trial 7; its trials: 0 to 1"
    finite, diverged = str(swept["finite"]), str(swept["diverged"])
    assert "it has no broken step to save" in error_line(cli("replay", "small", finite, "--save", "nan.pt", code=2))
    wrong = error_line(cli("replay", "small", diverged, "--save", "nan.py", code=2))
    assert wrong == "--save: expected the name of a new file such as nan.pt, got nan.py"
    assert not (tmp_path / "nan.py").exists()
    (tmp_path / "mine.py").write_text("print('mine')")
    for place, told in (("mine.pt", "mine.py, where the script would go, is another program"),
                        ("stability-sweep.db", "got a database, which output never replaces"),
                        ("/dev/stdout", "got a device or a pipe")):  # fmt: skip
        assert told in error_line(cli("replay", "small", diverged, "--save", place, code=2))
    with closing(database(tmp_path)) as connection, connection:
        newer = zlib.compress(json.dumps({"format": FORMAT + 1}).encode() + b"\n")
        connection.execute("UPDATE stability_telemetry SET content = ?", (newer,))
    for command in (("show", "small", finite), ("replay", "small", finite), ("show", "small", "--json")):
        assert "a newer version of stability-sweep wrote this telemetry" in error_line(cli(*command, code=2))
    with closing(database(tmp_path)) as connection, connection:
        connection.execute("DELETE FROM stability_results")
        connection.execute("UPDATE trials SET state = 'RUNNING'")
    for command in (("show", "small", finite), ("replay", "small", finite)):
        assert "has no outcome yet: it is running on " in error_line(cli(*command, code=2))


@pytest.mark.parametrize("command", ["show", "replay"])
def test_a_study_of_plain_optuna_is_told(cli: Cli, swept: dict[str, int], tmp_path: Path, command: str) -> None:
    with plain_optuna_storage(f"sqlite:///{tmp_path / 'stability-sweep.db'}") as storage:
        optuna.create_study(study_name="foreign", storage=storage).ask()
    assert "'foreign' in sqlite:///stability-sweep.db was not made by stability-sweep" in error_line(
        cli(command, "foreign", "0", code=2)
    )
    with plain_optuna_storage(f"sqlite:///{tmp_path / 'plain.db'}") as storage:
        optuna.create_study(study_name="foreign", storage=storage).ask()
    assert "holds Optuna studies, but none of stability-sweep" in error_line(
        cli(command, "foreign", "0", "--storage", "sqlite:///plain.db", code=2)
    )


def test_an_upgrade_is_needed_once_and_loses_nothing(cli: Cli, swept: dict[str, int], tmp_path: Path) -> None:
    assert cli("db", "upgrade").stdout == "schema version 0005: nothing to do\n"
    with closing(database(tmp_path)) as connection, connection:
        for column in ("divergence_origin", "divergence_cause", "spikes", "spike_height", "spike_height_kind", "cpu"):
            connection.execute(f"ALTER TABLE stability_results DROP COLUMN {column}")
        connection.execute("DROP TABLE stability_telemetry")
        for table in ("autopsies", "workers", "claims"):
            connection.execute(f"DROP TABLE stability_{table}")
        connection.execute("ALTER TABLE stability_definitions ADD COLUMN granted_trials INTEGER NOT NULL DEFAULT 0")
        connection.execute("UPDATE stability_schema_version SET version_num = '0001'")
    assert "run `stability-sweep db upgrade`" in error_line(cli("status", "small", code=2))
    assert cli("db", "upgrade").stdout == "schema version 0001 -> 0005\n"
    assert json.loads(cli("status", "small", "--json").stdout)["outcomes"]["diverged"] == 1
    assert "no telemetry is stored for this trial" in cli("show", "small", str(swept["diverged"])).stdout
    assert (
        "has no telemetry, so only the ends can be compared: the same"
        in cli("replay", "small", str(swept["diverged"])).stdout
    )
    assert "there is no such file" in error_line(cli("db", "upgrade", "--storage", "sqlite:///no.db", code=2))
    assert not (tmp_path / "no.db").exists()
