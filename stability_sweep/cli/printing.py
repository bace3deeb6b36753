"""How the command line prints: lines that cannot act on a terminal, and JSON."""

from __future__ import annotations

import io
import json
import logging
import sys
from typing import Any

import typer

from stability_sweep.text import escaped, printable, printable_lines

LONGEST_OUTPUT = 1_000
"""Characters of a line of output, whatever the database says; a sentence about many dimensions takes 400."""


def say(line: object = "", *, err: bool = False) -> None:
    """Print one line; what it quotes may come from the database."""
    typer.echo(printable(line, LONGEST_OUTPUT), err=err)


def say_path(path: object) -> None:
    """Print a path as long as it is: programs read it."""
    typer.echo(escaped(str(path)))


def say_json(value: Any) -> None:
    """Print one JSON value in ASCII; JSON leaves only DEL as it is, among the characters that act on a terminal."""
    typer.echo(json.dumps(value, allow_nan=False).replace("\x7f", "\\u007f"))


def say_usage_error(error: Any) -> None:
    """Print what Typer says about wrong usage, on standard error; arguments are quoted in it."""
    shown = io.StringIO()
    error.show(file=shown)
    lines = shown.getvalue().splitlines()
    is_help = type(error).__name__ == "NoArgsIsHelpError"  # our own text, as long as it is
    for line in lines if is_help else printable_lines(lines):
        typer.echo(line, err=True)


class LogFormatter(logging.Formatter):
    """One printable line per message; a traceback keeps its lines, without control characters."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: D102, N802  # logging's name
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: D102, N802
        return "\n".join(escaped(line) for line in super().formatException(ei).split("\n"))


def log_to_standard_error() -> None:
    """Warnings of all libraries, and our own, on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
