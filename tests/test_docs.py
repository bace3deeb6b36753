"""The documentation names every command, option and setting, and its links lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from stability_sweep.cli.app import app
from stability_sweep.definition.budget import BudgetConfig
from stability_sweep.definition.claims import Claim
from stability_sweep.definition.design import DesignConfig
from stability_sweep.definition.files import load_definition
from stability_sweep.definition.samplers import SamplerConfig
from stability_sweep.definition.study import StudyDefinition
from stability_sweep.engine.settings import OutcomeConfig, TrainingSettings
from stability_sweep.targets.images.settings import DataConfig
from stability_sweep.targets.rhvae.settings import RHVAEConfig
from tests.conftest import ROOT

PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))
}
COMMANDS = PAGES["docs/command-line.md"]
DEFINITIONS = PAGES["docs/write-a-definition.md"]


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command with its long options."""
    root = typer.main.get_command(app)
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        for inner, leaf in getattr(command, "commands", {"": command}).items():
            options = [option for parameter in leaf.params for option in parameter.opts if option.startswith("--")]
            yield f"{name} {inner}".strip(), options


@pytest.mark.parametrize(
    ("command", "options"), list(commands()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_command_and_option_is_documented(command: str, options: list[str]) -> None:
    heading = f"## stability-sweep {command}\n"
    assert heading in COMMANDS
    section = COMMANDS.split(heading)[1].split("\n## ")[0]
    assert [option for option in options if f"`{option}" not in section] == []


@pytest.mark.parametrize(
    "model",
    [
        StudyDefinition,
        DesignConfig,
        SamplerConfig,
        BudgetConfig,
        Claim,
        TrainingSettings,
        RHVAEConfig,
        DataConfig,
        OutcomeConfig,
    ],
)
def test_every_setting_is_documented(model: type[StudyDefinition]) -> None:
    forms = ("`{}`", "`[{}]`", "`[[{}]]`")
    assert [name for name in model.model_fields if not any(form.format(name) in DEFINITIONS for form in forms)] == []


def test_the_definition_in_the_docs_is_valid(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", DEFINITIONS, flags=re.DOTALL)
    assert blocks
    path = tmp_path / "example.toml"
    path.write_text(blocks[0])
    assert load_definition(path).budget.precision == 0.1
    (designed,) = [block for block in blocks if "[design]" in block]
    path.write_text(designed)
    blocks_of_trials = load_definition(path).blocks
    assert blocks_of_trials is not None
    assert blocks_of_trials.trials == 5


@pytest.mark.parametrize("page", sorted(PAGES))
def test_links_between_pages_lead_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", PAGES[page])
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (folder / target).exists()] == []


def test_the_readme_is_short_and_shows_both_commands() -> None:
    readme = PAGES["README.md"]
    assert len(readme.splitlines()) <= 120
    assert "make quickstart" in readme
    assert "make test" in readme
