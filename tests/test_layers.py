"""A layer imports only what stands above it: checked on the imports themselves."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import stability_sweep

PACKAGE = Path(stability_sweep.__file__).parent

LAYERS = [
    "text", "errors", "environment", "spelling", "outcome", "stored_form", "telemetry", "autopsy", "search_space",
    "claim", "definition_errors", "toml_file", "configs", "definition", "data", "models", "training",
    "gaussian_process", "sampling", "storage", "analysis", "sweep", "report", "cli",
]  # fmt: skip

MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent != PACKAGE or path.stem in LAYERS]


def imported_layers(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("stability_sweep."):
            found.add(node.module.split(".")[1])
        if isinstance(node, ast.ImportFrom) and node.module == "stability_sweep":
            found |= {alias.name for alias in node.names if alias.name in LAYERS}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_in_one_direction(path: Path) -> None:
    layer = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    above = set(LAYERS[: LAYERS.index(layer) + 1])
    assert imported_layers(path) <= above


@pytest.mark.parametrize("module", ["outcome", "definition", "storage", "analysis", "report", "cli"])
def test_nothing_but_training_needs_torch(module: str) -> None:
    import subprocess
    import sys

    code = f"import sys, stability_sweep.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
