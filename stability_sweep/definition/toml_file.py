"""Reading a TOML file, whatever is in it: what no study definition can be is refused before anything looks at it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stability_sweep.errors import DefinitionError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MOST_BYTES = 1_000_000
"""A larger file is not read; a definition with a thousand claims takes a tenth of this."""

MOST_LEVELS = 32
"""So many tables and lists may stand in one another; a definition needs four."""


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file in UTF-8, with or without a byte order mark.

    Lists and tables are at most 32 levels deep, and every number fits into a float.

    Raises:
        DefinitionError: if the file cannot be read, is no such file, or goes beyond one of these limits.
    """
    text = _read_text(path)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DefinitionError(f"{path}: not valid TOML: {error}") from error
    except RecursionError:
        raise _too_deep(path) from None
    except ValueError as error:  # Python reads whole numbers of at most 4,300 digits
        raise DefinitionError(f"{path}: not valid TOML: {error}") from error
    _check(path, content)
    return content


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)  # of /dev/zero there is no end
    except OSError as error:
        raise DefinitionError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(content) > MOST_BYTES:
        raise DefinitionError(f"{path}: expected a TOML file of at most {MOST_BYTES:,} bytes, got a larger one")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise DefinitionError(f"{path}: expected a TOML file in UTF-8, got other bytes") from error


def _check(path: Path, content: dict[str, Any]) -> None:
    for key, value, level in _values(content):
        if level > MOST_LEVELS:
            raise _too_deep(path)
        if isinstance(value, int):
            try:
                float(value)
            except OverflowError:
                raise DefinitionError(
                    f"{path}: {key}: expected a number of at most {sys.float_info.max:.2g}, got a whole number of "
                    f"{value.bit_length():,} bits"
                ) from None


def _values(content: dict[str, Any]) -> Iterator[tuple[str, Any, int]]:
    """Every value with the path of its key and its level; without recursion, which has a limit of its own."""
    waiting: list[tuple[str, Any, int]] = [("", content, 0)]
    while waiting:
        path, value, level = waiting.pop()
        yield path, value, level
        if level > MOST_LEVELS:
            continue
        if isinstance(value, dict):
            waiting += [(f"{path}.{key}".lstrip("."), item, level + 1) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{path}[{place}]", item, level + 1) for place, item in enumerate(value)]


def _too_deep(path: Path) -> DefinitionError:
    return DefinitionError(f"{path}: expected lists and tables at most {MOST_LEVELS} levels deep, got deeper ones")
