"""The house rules that no linter knows: argument lists, one definition of each idea, names that mean one thing."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import stability_sweep

PACKAGE = Path(stability_sweep.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "versions" not in path.parts)
MANY_ARGUMENTS = 4

SAME_NAME_ON_PURPOSE = {
    "protocol": "what a room asks of others, one per room that asks",
    "settings": "the tables of a definition that a room reads",
    "target": "one per target",
    "base": "what most of a kind have in common",
    "networks": "of the RHVAE, and their public name in `models`",
    "registry": "what is known by a name; the networks of the RHVAE by theirs",
    "signals": "of any training, and those of a target",
    "causes": "of any training, and those of a target",
}
"""Modules of one name in several rooms; every other name means one thing."""

A_COMMAND_AND_WHAT_IT_CALLS = {"worker", "replay", "report", "database", "run", "data", "show", "status"}
"""A module of `cli/` is called as its command."""


def public_functions(path: Path) -> Iterator[tuple[str, ast.FunctionDef, bool]]:
    """Public functions and methods of a module, with whether each fills in what another class describes."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, node, False
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            has_parents = bool(node.bases)
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    yield f"{node.name}.{method.name}", method, has_parents


def arguments_of(function: ast.FunctionDef) -> int:
    given = function.args
    names = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_whoever_takes_four_arguments_says_what_each_is(path: Path) -> None:
    if path.parent.name == "cli" or path.name == "trainable.py":
        return  # a command's options have their help; the other fills in a protocol
    bare = [
        name
        for name, function, fills_in in public_functions(path)
        if arguments_of(function) >= MANY_ARGUMENTS
        and not fills_in
        and not any(mark in (ast.get_docstring(function) or "") for mark in ("Args:", "Arguments as", "arguments as"))
    ]
    assert bare == []


def test_no_line_is_kept_from_the_formatter() -> None:
    skipped = [
        f"{path.relative_to(PACKAGE)}:{number}"
        for path in MODULES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(r"# fmt: (skip|off)$", line)
    ]
    assert skipped == []


def test_an_array_of_real_numbers_is_defined_once() -> None:
    homes = [
        path for path in MODULES if re.search(r"^\w+ = npt\.NDArray\[np\.float64\]", path.read_text(), re.MULTILINE)
    ]
    assert [path.name for path in homes] == ["typing.py"]


def test_no_two_modules_share_a_name_by_accident() -> None:
    rooms: dict[str, list[str]] = defaultdict(list)
    for path in MODULES:
        if path.stem not in ("__init__", "__main__", "env"):
            rooms[path.stem].append(str(path.parent.relative_to(PACKAGE)))
    twice = {
        name: found
        for name, found in rooms.items()
        if len([room for room in found if not (room == "cli" and name in A_COMMAND_AND_WHAT_IT_CALLS)]) > 1
        and name not in SAME_NAME_ON_PURPOSE
    }
    assert twice == {}


def test_no_module_is_longer_than_can_be_read_in_one_go() -> None:
    lengths = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: length for name, length in lengths.items() if length > 400} == {}
