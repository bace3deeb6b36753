"""Errors that a user can act on.

Every message says what was expected, what came, and what to do, in one line. The command line turns each of
these into that line and exit code 2; anything else is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

from stability_sweep.text import printable_lines


class StabilitySweepError(Exception):
    """Base class of all errors caused by input, files or servers rather than by a bug.

    Each argument is one line of the message. What the lines quote may come from anywhere (a file, a database, a
    server), so wherever the message is shown, stored or logged it is at most 20 lines of at most 300 characters, with
    its control characters escaped.
    """

    exit_code = 2
    """What the command line exits with."""

    of_what = "lines"
    """What the lines are, in the plural, for the end of a message that is too long."""

    def __str__(self) -> str:
        return "\n".join(printable_lines(self.args, of_what=self.of_what))


class DefinitionError(StabilitySweepError):
    """A study definition that cannot be read, or whose content is not allowed: one line per mistake."""

    of_what = "mistakes"


class EnvironmentVariableError(StabilitySweepError):
    """An environment variable whose value cannot be used."""


class DataError(StabilitySweepError):
    """A data set that is missing, corrupt or too small for the definition."""


class StorageError(StabilitySweepError):
    """A database that cannot be opened, reached, written to, or that has another schema version."""


class OutageError(StorageError):
    """A database that does not answer now, and may do so later."""


class AnotherDatabaseError(StorageError):
    """A database that is no longer the one that was opened at its place: it was deleted and made anew."""


class ForeignResultError(StorageError):
    """A result that does not belong to the trial whose number it bears: it was measured for another one."""


class StudyError(StabilitySweepError):
    """A study that does not exist, has no results yet, or exists with another definition."""


class OutputError(StabilitySweepError):
    """A report or an export that cannot be written; an older file in its place is left untouched."""


class WorkerError(StabilitySweepError):
    """Workers cannot go on: trial after trial fails, or a worker process died."""

    exit_code = 1


class TelemetryError(StabilitySweepError):
    """Telemetry that a newer version wrote, or that is damaged."""


class NewerFormatError(TelemetryError):
    """Telemetry or an autopsy that a newer version of the program wrote."""
