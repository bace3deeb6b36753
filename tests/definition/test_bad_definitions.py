"""Whatever stands in a file, reading it ends in a definition or in a message that a terminal can show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stability_sweep.definition.files import load_claims, load_definition
from stability_sweep.definition.study import StudyDefinition
from stability_sweep.errors import DefinitionError
from stability_sweep.text import LONGEST_LINE, MOST_LINES, escaped
from tests.conftest import DEFINITION_TOML, make_definition
from tests.fuzz import mutations

CLAIMS_TOML = """\
[[claims]]
says = "learning_rate <= 1e-6 and batch_size = 16 avoids divergence"
source = "somebody"
tolerance = 0.05

[[claims]]
says = "clip_norm = off avoids divergence"
"""


def message_of(read: Callable[[Any], object], source: Any) -> str:
    """What is said about a source that is not accepted."""
    with pytest.raises(DefinitionError) as caught:
        read(source)
    return checked(caught.value)


def checked(error: DefinitionError) -> str:
    lines = str(error).split("\n")
    assert len(lines) <= MOST_LINES
    assert all(len(line) <= LONGEST_LINE and line == escaped(line) for line in lines), lines
    return str(error)


@pytest.mark.parametrize(
    ("read", "text"), [(load_definition, DEFINITION_TOML), (load_claims, CLAIMS_TOML)], ids=["definition", "claims"]
)
def test_mutations_of_a_good_file_are_read_or_refused_in_words(
    tmp_path: Path, read: Callable[[Path], object], text: str
) -> None:
    path, refused = tmp_path / "mutated.toml", 0
    for content in mutations(text, 150, seed=20261125):
        path.write_bytes(content)
        try:
            read(path)
        except DefinitionError as error:
            refused += 1
            checked(error)
    assert 75 < refused < 150


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("x = " + "[" * 500 + "]" * 500, "expected lists and tables at most 32 levels deep"),
        ("x = " + "{a=" * 40 + "1" + "}" * 40, "expected lists and tables at most 32 levels deep"),
        (".".join(["a"] * 2_000) + " = 1", "expected lists and tables at most 32 levels deep"),
        ("seed = " + "9" * 5_000, "not valid TOML: Exceeds the limit"),
        ("seed = 0x" + "f" * 5_000, "seed: expected a number of at most 1.8e+308, got a whole number of 20,000 bits"),
        ("x = 1 #" + " " * 1_000_000, "expected a TOML file of at most 1,000,000 bytes, got a larger one"),
        ('name = "' + "x" * 100_000 + '"', "a study name is 1 to 100 letters"),
        ('"\\u0000\\u001b[2J" = 1', "\\x00\\x1b[2J: unknown key"),
        ("", "training: missing"),
    ],
)
def test_what_no_definition_can_be_is_refused_in_words(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(content)
    assert told in message_of(load_definition, path)


def test_more_than_twenty_mistakes_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("\n".join(f"k{number} = 1" for number in range(56)) + "\n[training]\nhorizon_steps = 5\n")
    assert message_of(load_definition, path).split("\n")[-1] == "..., and 37 more mistakes"


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "marked.toml"
    path.write_bytes(b"\xef\xbb\xbf" + DEFINITION_TOML.replace("\n", "\r\n").encode())
    assert load_definition(path) == make_definition()


def test_a_folder_and_a_device_without_end_are_refused(tmp_path: Path) -> None:
    assert "cannot be read: Is a directory" in message_of(load_definition, tmp_path)
    assert "of at most 1,000,000 bytes" in message_of(load_definition, Path("/dev/zero"))


@pytest.mark.parametrize(
    "text",
    ["[" * 5_000 + "]" * 5_000, '{"name": ' + "9" * 10_000 + "}", '{"\\u001b[2J": "\\u0000"}', "", "null", "\x1b"],
)
def test_a_damaged_definition_in_the_database_is_told_in_one_line(text: str) -> None:
    told = message_of(StudyDefinition.from_json, text)
    assert told.startswith("another version of stability-sweep wrote this study: ")
    assert "\n" not in told


def test_a_horizon_beyond_all_numbers_and_a_grid_beyond_all_memory_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(DEFINITION_TOML.replace("horizon_steps = 5", "horizon_epochs = 1e308"))
    assert "makes the horizon too long" in message_of(load_definition, path)
    path.write_text(DEFINITION_TOML.replace('name = "random"', 'name = "grid"\ngrid_levels = 1000000000000'))
    assert "sampler.grid_levels: must be less than or equal to 10000" in message_of(load_definition, path)
