"""A paired study on the real program: what `run` says of it, and what `show` says of its trials."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, error_line
from tests.conftest import DEFINITION_TOML

PAIRED = DEFINITION_TOML.replace(
    "[sampler]", '"training.warmup_steps" = [0, 3]\n\n[design]\npaired = true\n\n[sampler]'
)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "trials = 4",
            "trials = 1",
            "budget.trials: one block of this design takes 2 trials (the baseline and 1 remedy",
        ),
        ('"random"', '"boundary"', 'got sampler.name = "boundary": set sampler.name = "qmc"'),
        (
            "paired = true",
            'arrangement = "all"',
            "design.arrangement: expected one of 'one_at_a_time', 'fractional', got",
        ),
        (
            "[0, 3]",
            "[0, 3, 5]\n[baseline]\nclip_norm = 1e9",
            "baseline.clip_norm: expected a value that this study sea",
        ),
    ],
)
def test_a_bad_design_is_told_in_one_line(cli: Cli, tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "bad.toml").write_text(PAIRED.replace(old, new, 1))
    assert message in error_line(cli("run", "bad.toml", code=2))
    assert not (tmp_path / "stability-sweep.db").exists()


def test_run_names_what_a_fraction_cannot_tell_apart(cli: Cli, tmp_path: Path) -> None:
    more = '"training.warmup_steps" = [0, 3]\n"training.weight_decay" = [0.0, 0.1]\nclip_norm = [1.0, "off"]'
    text = PAIRED.replace('"training.warmup_steps" = [0, 3]', f'{more}\n"training.momentum" = [0.0, 0.5]')
    (tmp_path / "small.toml").write_text(
        text.replace("paired = true", 'arrangement = "fractional"').replace("trials = 4", "trials = 8")
    )
    said = cli("run", "small.toml", "--no-report", "--workers", "1").stderr
    assert "notice: main effects are clear of each other and of interactions of two; these are aliased with" in said
    assert "clip_norm x training.momentum with training.warmup_steps x training.weight_decay" in said


def test_run_tells_of_a_budget_that_is_too_small_and_show_names_the_twin(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(PAIRED.replace("paired = true", 'paired = true\narrangement = "fractional"'))
    done = cli("run", "small.toml", "--no-report", "--workers", "1")
    assert [line for line in done.stderr.splitlines() if line.startswith("notice: ")] == [
        "notice: the effect of the remedy can be told from chance by about 128 trials, and the budget is 4: expect "
        "wide bands, or search fewer"
    ]
    assert cli("show", "small", "3").stdout.startswith("trial 3 of study small (baseline twin: trial 2)\n")
    assert cli("show", "small", "2").stdout.startswith("trial 2 of study small\n")
    assert json.loads(cli("show", "small", "1", "--json").stdout)["baseline_twin"] == 0
    assert json.loads(cli("show", "small", "0", "--json").stdout)["baseline_twin"] is None
