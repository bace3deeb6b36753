"""A bare install into an empty environment: nothing that only development has may be needed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.waiting import HANG_SECONDS


@pytest.mark.slow
def test_a_bare_install_runs_a_tiny_study(tmp_path: Path, definition_file: Path) -> None:
    source = tmp_path / "source"  # building in place would leave a build folder behind
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "stability_sweep", source / "stability_sweep", ignore=shutil.ignore_patterns("__pycache__"))
    venv = tmp_path / "venv"
    # Without pip and setuptools of its own: nothing may need them either. Python compiles what is imported, not all.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"), "--disable-pip-version-check"]
    install = [*pip, "install", "--quiet", "--no-compile", "--constraint", str(ROOT / "constraints.txt"), str(source)]
    subprocess.run(install, check=True, timeout=HANG_SECONDS)
    program = str(venv / "bin" / "stability-sweep")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STABILITY_SWEEP_")}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [program, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "stability-sweep" in run("--help")
    assert run("run", str(definition_file)).endswith("Report: reports/small.html\n")
    assert (tmp_path / "reports" / "small.html").stat().st_size > 1_000_000
