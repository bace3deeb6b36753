"""A user's mistake: exit code 2, one line, no traceback, no password, nothing lost."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from stability_sweep.targets.images import mnist
from tests.cli.conftest import Cli, error_line
from tests.conftest import DEFINITION_TOML

MNIST_TOML = DEFINITION_TOML.replace('"digits"', '"mnist"')


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[training]", "[training", "bad.toml: not valid TOML"),
        ("horizon_steps", "horizon", "bad.toml: training.horizon: unknown key"),
        ("high = 1e-1", "high = 1e-5", "bad.toml: search_space.learning_rate: low must be smaller than high"),
        ("low = 1e-5", "low = 0", "bad.toml: search_space.learning_rate: a log range must start above 0"),
        (
            "[16, 64]",
            "[16, 64]\nclip_norm = 0.0",
            "bad.toml: search_space.clip_norm.choices[0]: must be greater than 0",
        ),
        ("[16, 64]", "[4]", "batch sizes start at 16, got 4, because"),
        ('"small"', '"../small"', "bad.toml: name: a study name is"),
        ('"small"', '"<script>"', "bad.toml: name: a study name is"),
    ],
)
def test_a_bad_definition(cli: Cli, tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "bad.toml").write_text(DEFINITION_TOML.replace(old, new, 1))
    assert message in error_line(cli("run", "bad.toml", code=2))
    assert not (tmp_path / "stability-sweep.db").exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "malformed storage URL 'nonsense'"),
        ("postgresql://me:secret@127.0.0.1:1/db", "postgresql+psycopg://me:***@127.0.0.1:1/db: connection failed"),
        ("sqlite:////no/folder/x.db", "the folder /no/folder does not exist"),
        ("sqlite:////proc/x.db", "unable to open database file"),
    ],
)
def test_a_bad_storage(cli: Cli, definition_file: Path, url: str, message: str) -> None:
    done = cli("run", str(definition_file), "--storage", url, code=2)
    assert message in error_line(done)
    assert "secret" not in done.stderr


def test_an_unknown_study(cli: Cli, definition_file: Path) -> None:
    cli("run", str(definition_file), "--trials", "1", "--no-report")
    for command, name in (("status", "<script>"), ("report", "a/b"), ("export", "nobody"), ("worker", "nobody")):
        line = error_line(cli(command, name, code=2))
        assert f"there is no study {name!r}" in line
        assert line.endswith("studies there: small")


def test_one_study_of_another_version_does_not_hide_the_others(cli: Cli, definition_file: Path, tmp_path: Path) -> None:
    cli("run", str(definition_file), "--trials", "1", "--no-report")
    definition_file.write_text(DEFINITION_TOML.replace('"small"', '"other"'))
    cli("run", str(definition_file), "--trials", "1", "--no-report")
    with closing(sqlite3.connect(tmp_path / "stability-sweep.db")) as connection, connection:
        connection.execute(
            "UPDATE stability_definitions SET definition = replace(definition, 'latent_dim', 'latent_dims') "
            "WHERE study_name = 'small'"
        )
    done = cli("list")
    assert "small: another version of stability-sweep wrote this study" in done.stderr
    assert "other" in done.stdout
    assert "another version of stability-sweep" in error_line(cli("status", "small", code=2))


def test_another_definition_under_the_same_name(cli: Cli, definition_file: Path) -> None:
    cli("run", str(definition_file), "--trials", "1", "--no-report")
    definition_file.write_text(DEFINITION_TOML.replace("horizon_steps = 5", "horizon_steps = 6"))
    done = cli("run", str(definition_file), code=2)
    assert "study 'small' exists in sqlite:///stability-sweep.db with another definition" in done.stderr
    assert "training.horizon_steps: 5 -> 6" in done.stderr
    assert "Traceback" not in done.stderr
    assert "finished  1 of 1" in cli("status", "small").stdout


def test_a_corrupt_mnist_file_is_named(cli: Cli, tmp_path: Path, mnist_dir: Path) -> None:
    (tmp_path / "study.toml").write_text(MNIST_TOML)
    folder = tmp_path / "mnist"
    folder.mkdir()
    for name in mnist.SHA256:
        shutil.copyfile(mnist_dir / f"{name}.gz", folder / f"{name}.gz")
    target = folder / f"{mnist.TRAINING_FILE}.gz"
    target.write_bytes(target.read_bytes()[:-1000])
    line = error_line(cli("run", "study.toml", "--data-dir", str(folder), code=2))
    assert f"{mnist.TRAINING_FILE}.gz: truncated or corrupt" in line
    verified = cli("data", "verify", "--data-dir", str(folder), code=2)
    assert verified.stdout.count(": right") == 3
    assert "1 of 4 files" in verified.stderr
    assert cli("data", "where", STABILITY_SWEEP_DATA=str(folder)).stdout == f"{folder}\n"


def test_no_mnist_anywhere_tells_the_four_ways_out(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(MNIST_TOML)
    first, *ways = cli("run", "study.toml", "--data-dir", str(tmp_path), code=2).stderr.splitlines()
    assert first.endswith("but there is no train-images-idx3-ubyte.gz in it; ways out:")
    told = ("(1) ", "(2) pass --data-dir", "(3) set STABILITY_SWEEP_DATA", '(4) put dataset = "digits"')
    assert all(way.startswith(beginning) for way, beginning in zip(ways, told, strict=True))


def test_the_report_has_nowhere_to_go(cli: Cli, definition_file: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    done = cli("run", str(definition_file), "--trials", "1", "--report", "file/report.html", code=2)
    assert "error: file/report.html: cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "file").read_text() == "precious"
    assert "finished  1 of 1" in cli("status", "small").stdout  # the trials are safe


def test_a_device_that_is_not_there(cli: Cli, definition_file: Path) -> None:
    assert "--device nonsense: not to be used here" in error_line(
        cli("run", str(definition_file), "--device", "nonsense", code=2)
    )


@pytest.mark.parametrize(
    "arguments", [["run"], ["run", "x.toml", "--workers", "0"], ["nonsense"], ["export", "x", "--format", "xml"]]
)
def test_wrong_usage_has_exit_code_2(cli: Cli, arguments: list[str]) -> None:
    assert "Traceback" not in cli(*arguments, code=2).stderr
