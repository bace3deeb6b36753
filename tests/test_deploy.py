"""The examples of docs/deploy: their files are well-formed, and every command in them is one of ours."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from stability_sweep import environment
from stability_sweep.cli.app import app
from stability_sweep.definition.files import load_definition
from tests.cli.conftest import clean_environment
from tests.conftest import ROOT

DEPLOY = ROOT / "docs" / "deploy"
OUR_VARIABLES = {value for name, value in vars(environment).items() if name.endswith("_VARIABLE")}


def check_command(words: list[str]) -> None:
    """Parses as a call of the program, without running it."""
    assert words[0] == "stability-sweep"
    command = typer.main.get_command(app).commands[words[1]]  # type: ignore[attr-defined]
    command.make_context(words[1], words[2:])


def check_variables(names: set[str]) -> None:
    assert {name for name in names if name.startswith("STABILITY_SWEEP_")} <= OUR_VARIABLES


def workers_of(study: str) -> bool:
    return any(load_definition(path).name == study for path in (ROOT / "studies").glob("*.toml"))


def test_the_kubernetes_job_runs_workers_of_a_shipped_study() -> None:
    documents: list[dict[str, Any]] = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
    assert [document["kind"] for document in documents] == ["Service", "StatefulSet", "Job"]
    service, database, job = documents
    assert service["spec"]["selector"] == database["spec"]["template"]["metadata"]["labels"]
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    check_command(container["command"])
    assert workers_of(container["command"][2])
    check_variables({variable["name"] for variable in container["env"]})
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_the_compose_file_creates_the_study_before_its_workers(tmp_path: Path) -> None:
    content = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = content["services"]
    assert services["worker"]["depends_on"]["study"]["condition"] == "service_completed_successfully"
    for name in ("study", "worker"):
        check_command([word.replace("/studies", str(ROOT / "studies")) for word in services[name]["command"]])
        check_variables(set(services[name]["environment"]))
        assert {volume.split(":")[0] for volume in services[name]["volumes"][1:]} <= set(content["volumes"])
        assert set(services[name]["secrets"]) <= set(content["secrets"])
    assert workers_of(services["worker"]["command"][2])


@pytest.mark.parametrize(("arguments", "code"), [(["small"], 0), ([], 1)])
def test_the_slurm_script_starts_a_worker_with_slurms_threads(tmp_path: Path, arguments: list[str], code: int) -> None:
    program = tmp_path / "stability-sweep"
    program.write_text('#!/bin/sh\necho "$@"; env | grep ^STABILITY_SWEEP_ | cut -d= -f1 | sort\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    done = subprocess.run(
        ["bash", str(DEPLOY / "slurm.sh"), *arguments],
        env={**clean_environment(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_CPUS_PER_TASK": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    if code == 0:
        command, *variables = done.stdout.splitlines()
        assert command == "worker small --threads 3"
        check_command(["stability-sweep", *command.split()])
        check_variables(set(variables))
    else:
        assert "usage: sbatch" in done.stderr
