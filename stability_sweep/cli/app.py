"""The application: commands, version, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import errno
import logging
import os
import sys
import warnings
from typing import Annotated, Any

import typer

from stability_sweep import __version__
from stability_sweep.cli.commands import add_commands
from stability_sweep.cli.printing import log_to_standard_error, say, say_usage_error
from stability_sweep.errors import StabilitySweepError

_UsageError: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""What Typer raises for wrong usage; it is click's or, in newer versions, Typer's own."""

EPILOG = (
    "Exit codes: 0 done; 1 trials keep failing, a worker died, or a bug (with a traceback); 2 a mistake in the input, "
    "a file or a server, told in one line; 130 interrupted (run the same command again to go on)."
)

INTERRUPTED = 130
"""Exit code of a program that was told to end."""

app = typer.Typer(
    name="stability-sweep",
    help="Find out where training diverges: sweep, keep the runs that blow up, and draw the stability map.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
_BROKEN_COMMANDS = add_commands(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stability-sweep {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of the command line."""
    _configure_logging()
    for line in _BROKEN_COMMANDS:
        say(f"warning: {line}", err=True)
    try:
        code = app(standalone_mode=False)
    except StabilitySweepError as error:
        first, *others = str(error).split("\n")
        typer.echo("\n".join([f"error: {first}", *others]), err=True)
        sys.exit(error.exit_code)
    except _UsageError as error:
        say_usage_error(error)
        sys.exit(error.exit_code)
    except typer.Abort:
        say("Aborted!", err=True)
        sys.exit(1)
    except BrokenPipeError:  # the reader of our output has gone, for example `head`
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        # The terminal was closed: what ran has been given back by now, and nobody is left to be told. Not `sys.exit`:
        # a last flush of the streams would fail once more.
        os._exit(INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def _configure_logging() -> None:
    log_to_standard_error()
    logging.getLogger("pooch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*is experimental.*")
