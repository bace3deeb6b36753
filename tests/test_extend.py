"""The recipes of docs/extend.md, followed to the letter in a package that is made for it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECIPES = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", RECIPES, flags=re.DOTALL)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package `ours` of the recipes, installed as far as Python's own machinery can tell."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "ours").mkdir()
    (folder / "ours" / "__init__.py").touch()
    for code in blocks("python"):
        path = code.splitlines()[0].removeprefix("# ")
        (folder / path).write_text(code, encoding="utf-8")
    points = tomllib.loads(blocks("toml")[0])["project"]["entry-points"]
    info = folder / "ours-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n")
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {path}\n" for name, path in of.items()) for group, of in points.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return folder


def program(package: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-m", "stability_sweep", *arguments],
        env={**os.environ, "PYTHONPATH": path},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


DIGITS = """
[search_space]
batch_size = [16]
[training]
horizon_steps = 5
[model]
latent_dim = 2
[data]
dataset = "digits"
training_images = 100
validation_images = 50
"""


def test_the_recipe_of_a_sampler_makes_a_study_that_it_plans(package: Path, tmp_path: Path) -> None:
    (tmp_path / "halton.toml").write_text('[sampler]\nname = "halton"\n[budget]\ntrials = 4\n' + DIGITS)
    done = program(package, tmp_path, "run", "halton.toml", "--no-report", "--workers", "1")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "4 of 4 trials of study halton have an outcome.")
    without = program(Path(), tmp_path, "run", "halton.toml", "--no-report")
    assert without.returncode == 2
    assert "sampler.name: expected one of 'boundary', 'qmc', 'random', 'grid', 'tpe', got 'halton'" in without.stderr


@pytest.fixture(scope="session")
def line_study(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished study of the recipe's target, and its report."""
    folder = tmp_path_factory.mktemp("line")
    (folder / "line.toml").write_text(
        'target = "line"\n[sampler]\nname = "qmc"\n[budget]\ntrials = 16\n'
        '[training]\nhorizon_steps = 200\noptimizer = "sgd"\n'
    )
    done = program(package, folder, "run", "line.toml", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "16 trials of a straight line's training (200 steps each)" in done.stdout
    return folder


def test_the_recipe_of_a_target_is_trained_mapped_and_replayed(package: Path, line_study: Path) -> None:
    trials = program(package, line_study, "export", "line").stdout.splitlines()
    outcomes = {row.split(",")[5] for row in trials[1:]}
    assert {"stable", "diverged"} <= outcomes
    page = (line_study / "reports" / "line.html").read_text(encoding="utf-8")
    assert "learning rate × batch size" in page
    replayed = program(package, line_study, "replay", "line", "0", "--json")
    assert json.loads(replayed.stdout)["same_bits"] is True
    # Whoever lacks the package reads what it wrote no further than this, and is told so.
    without = program(Path(), line_study, "status", "line")
    assert without.returncode == 2
    assert "target: expected one of 'rhvae', got 'line'" in without.stderr


def test_a_step_of_a_target_without_a_reproducer_is_not_saved(package: Path, line_study: Path) -> None:
    rows = [row.split(",") for row in program(package, line_study, "export", "line").stdout.splitlines()[1:]]
    diverged = next(row[0] for row in rows if row[5] == "diverged")
    before = sorted(line_study.iterdir())
    refused = program(package, line_study, "replay", "line", diverged, "--save", "step.pt")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "error: --save: the target 'line' has no reproducer, a program that repeats a saved step, so there is nothing "
        "to save\n"
    )
    assert sorted(line_study.iterdir()) == before


def test_the_recipe_of_a_signal_is_measured_and_has_a_meaning(package: Path, line_study: Path) -> None:
    shown = json.loads(program(package, line_study, "show", "line", "0", "--json").stdout)["telemetry"]
    assert shown["meaning"]["weight_norm"] == "L2 norm of all weights"
    assert len(shown["signals"]["weight_norm"]) == len(shown["steps"])
    assert all(isinstance(value, float) and value > 0 for value in shown["signals"]["weight_norm"][:5])


def test_the_recipe_of_a_panel_is_on_the_page(line_study: Path) -> None:
    page = (line_study / "reports" / "line.html").read_text(encoding="utf-8")
    assert "What it took" in page
    assert "seconds of training." in page


def test_the_recipe_of_a_command_is_a_command(package: Path, line_study: Path) -> None:
    assert program(package, line_study, "count", "line").stdout == "16\n"
    refused = program(package, line_study, "count", "none")
    assert (refused.returncode, refused.stderr.startswith("error: there is no study 'none'")) == (2, True)
    assert "count" not in program(Path(), line_study, "--help").stdout


def test_a_broken_package_is_told_and_ends_nothing(package: Path, line_study: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('it is broken')\n")
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[stability_sweep.commands]\nbad = broken:bad\n")
    done = program(tmp_path, tmp_path, "--version")
    assert done.returncode == 0
    assert (
        "warning: 'bad', which an installed package adds to stability_sweep.commands, cannot be imported" in done.stderr
    )
    assert "RuntimeError: it is broken" in done.stderr
