"""What a definition may have imported: what a file names that somebody runs here, and nothing from elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stability_sweep.environment import ALLOWED_IMPORTS_VARIABLE
from tests.conftest import DEFINITION_TOML
from tests.waiting import HANG_SECONDS

NETWORK = """\
from pathlib import Path
from stability_sweep.targets.rhvae.networks import MLPEncoder
Path({sign!r}).touch()

class Encoder(MLPEncoder):
    def __init__(self, latent_dim):
        super().__init__(latent_dim, activation="relu")
"""


@pytest.fixture
def sign(tmp_path: Path) -> Path:
    """Exists as soon as the network's module was imported; the module lies in a folder of its own, and in the working
    folder lie files that no worker may import."""
    (tmp_path / "networks").mkdir()
    sign = tmp_path / "imported"
    (tmp_path / "networks" / "mynet.py").write_text(NETWORK.format(sign=str(sign)))
    (tmp_path / "study.toml").write_text(DEFINITION_TOML.replace("[model]", '[model]\nencoder = "mynet:Encoder"'))
    return sign


def stability_sweep(tmp_path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != ALLOWED_IMPORTS_VARIABLE}
    if "PYTHONPATH" in variables and "PYTHONPATH" in environment:  # the package itself may come from there
        variables["PYTHONPATH"] += os.pathsep + environment["PYTHONPATH"]
    program = Path(sys.executable).with_name("stability-sweep")
    return subprocess.run(
        [str(program), *arguments], cwd=tmp_path, env={**environment, **variables}, capture_output=True, text=True,
        timeout=HANG_SECONDS, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_the_file_names_is_imported_by_any_number_of_workers(tmp_path: Path, sign: Path, workers: str) -> None:
    for name in ("optuna.py", "copy.py"):
        (tmp_path / name).write_text("raise RuntimeError('a file of the working folder was imported')")
    options = ("run", "study.toml", "--no-report", "--workers", workers)
    done = stability_sweep(tmp_path, *options, PYTHONPATH=str(tmp_path / "networks"))
    assert done.returncode == 0, done.stderr
    assert sign.exists()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_network_that_cannot_be_imported_takes_no_name(tmp_path: Path, sign: Path, workers: str) -> None:
    done = stability_sweep(tmp_path, "run", "study.toml", "--no-report", "--workers", workers)
    assert done.returncode == 2
    assert "model.encoder: 'mynet:Encoder' cannot be imported here" in done.stderr
    assert stability_sweep(tmp_path, "list", "--json").stdout in ("", "[]\n")


def test_what_the_database_names_is_imported_only_where_this_machine_allows_it(tmp_path: Path, sign: Path) -> None:
    path = {"PYTHONPATH": str(tmp_path / "networks")}
    assert stability_sweep(tmp_path, "run", "study.toml", "--no-report", "--workers", "1", **path).returncode == 0
    sign.unlink()
    for command in (("worker", "small"), ("replay", "small", "0")):
        refused = stability_sweep(tmp_path, *command, **path)
        assert refused.returncode == 2, refused.stderr
        assert "what a study database names is only run where this machine allows it" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert not sign.exists()
    allowed = stability_sweep(tmp_path, "replay", "small", "0", **path, **{ALLOWED_IMPORTS_VARIABLE: "other,mynet"})
    assert allowed.returncode == 0, allowed.stderr
    assert sign.exists()
