"""What no layer may need; which layer may import which is import-linter's affair (`pyproject.toml`, `make lint`)."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module", ["results.outcome", "definition", "storage", "sources", "analysis", "report", "terminal.trial", "cli"]
)
def test_nothing_but_the_engine_needs_torch(module: str) -> None:
    code = f"import sys, stability_sweep.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("module", ["definition", "cli"])
def test_nobody_waits_for_numpy_or_optuna_to_read_a_definition_or_the_help(module: str) -> None:
    code = f"import sys, stability_sweep.{module}; sys.exit('numpy' in sys.modules or 'optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
