"""The compressed form of what a trial leaves in the database: unpacked within a bound, whoever wrote it."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator

from pydantic import BaseModel, ValidationError

from stability_sweep.errors import NewerFormatError, TelemetryError


def unpack(content: bytes, *, most_bytes: int) -> bytes:
    """What was compressed; a small row cannot ask for all the memory.

    Args:
        content: a zlib stream.
        most_bytes: what the content may take.

    Raises:
        TelemetryError: if it is no such stream, incomplete, or takes more.
    """
    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(content, most_bytes + 1)
    except (zlib.error, TypeError) as error:
        raise TelemetryError(f"it is not compressed as it should be ({error})") from error
    if len(found) > most_bytes:
        raise TelemetryError(f"expected at most {most_bytes:,} bytes of content, got more")
    if not unpacker.eof:
        raise TelemetryError("its end is missing")
    return found


class _Format(BaseModel):
    format: int


def check_format(text: bytes, newest: int, what: str) -> None:
    """Check the ``format`` of a JSON object, before anything else about it is.

    Raises:
        NewerFormatError: if it is newer than this program.
        pydantic.ValidationError: if it is no JSON object with a format.
    """
    found = _Format.model_validate_json(text).format
    if found > newest:
        raise NewerFormatError(
            f"a newer version of stability-sweep wrote this {what} (format {found}, this program reads up to "
            f"{newest}); update the program to read it"
        )


@contextlib.contextmanager
def reading(what: str) -> Iterator[None]:
    """Tell everything that is wrong with a stored ``what`` as one `TelemetryError`."""
    try:
        yield
    except NewerFormatError:
        raise
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        reason = f"{place}: {first['msg']}" if place else first["msg"]
        raise TelemetryError(f"this {what} is damaged: {reason}") from error
    except TelemetryError as error:
        raise TelemetryError(f"this {what} is damaged: {error}") from error
