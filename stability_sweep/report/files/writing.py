"""Where output goes: files that are either complete or not there, and devices and pipes that are written into.

What stands at the place decides. A regular file is replaced when its successor is complete, a link's target instead
of the link; a terminal, a pipe or an open descriptor is written into; a folder, a disk or a database is never touched.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

from stability_sweep.errors import OutputError

SQLITE_MAGIC = b"SQLite format 3\0"
SQLITE_COMPANIONS = ("-wal", "-shm", "-journal")
"""Endings of what SQLite keeps beside a database."""

PUBLIC = 0o666
"""Rights of a new file before the umask takes its share, as everywhere."""

PRIVATE = 0o600

_DESCRIPTOR = re.compile(r"/(?:dev|proc/(?:self|\d+))/fd/(?P<number>\d+)")
MOST_LINKS = 40


@dataclass(frozen=True)
class _Place:
    """What a path stands for."""

    target: Path
    """Where its links end; nothing need be there."""
    found: os.stat_result | None
    """What is there; None for nothing."""
    descriptor: int | None
    """The open descriptor that it names (``/dev/stdout``, the shell's ``>(...)``)."""

    @property
    def is_written_into(self) -> bool:
        """Whether there is nothing to replace: a terminal, a pipe, a socket."""
        return self.descriptor is not None or (self.found is not None and not stat.S_ISREG(self.found.st_mode))


def write_output(path: Path, content: bytes, *, mode: int = PUBLIC) -> None:
    """Put content where the user wants it.

    A file that is replaced hands on its rights, and its owner where the system allows it.

    Args:
        path: the place; its folder is made if need be.
        content: all of it.
        mode: rights of a file that is new, before the umask.

    Raises:
        OutputError: as for `check_place`, or if it cannot be written (no space, no permission); a file that was there
            before stays as it was.
    """
    place = _examined(path)
    after = "" if place.is_written_into else "; nothing was changed there"
    try:
        if place.is_written_into:
            _write_into(place, content)
        else:
            _replace(place, content, mode)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}{after}") from error


def check_place(path: Path, *, only_files: bool = False) -> None:
    """Check a place before work is done for it.

    Args:
        path: the place.
        only_files: refuse terminals and pipes too.

    Raises:
        OutputError: if it is a folder, a disk or a database, or its links have no end.
    """
    if _examined(path).is_written_into and only_files:
        raise OutputError(f"{path}: expected the name of a file, got a device or a pipe")


def _examined(path: Path) -> _Place:
    try:
        place = _place(path)
        _check_is_no_database(path, place)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}; nothing was changed there") from error
    found = place.found
    if found is not None and stat.S_ISDIR(found.st_mode):
        raise OutputError(f"{path}: expected the name of a file, got a folder; name a file in it")
    if found is not None and stat.S_ISBLK(found.st_mode):
        raise OutputError(f"{path}: expected the name of a file, got a disk; nothing was changed there")
    return place


def _place(path: Path) -> _Place:
    """Follow the links.

    Raises:
        OSError: if they have no end, or a folder on the way is none.
    """
    target = path
    for _ in range(MOST_LINKS):
        if named := _DESCRIPTOR.fullmatch(str(target)):
            number = int(named["number"])
            return _Place(target, os.fstat(number), number)
        if not target.is_symlink():
            with contextlib.suppress(FileNotFoundError):
                return _Place(target, target.stat(), None)
            return _Place(target, None, None)
        target = target.parent / target.readlink()
    raise OSError(None, "its links go round in a circle")


def _check_is_no_database(path: Path, place: _Place) -> None:
    """The study's own database above all: SQLite's files are known by their first bytes, and by their names."""
    candidates = [place.target] if place.found is not None and stat.S_ISREG(place.found.st_mode) else []
    for ending in SQLITE_COMPANIONS:
        if (name := place.target.name).endswith(ending) and name != ending:
            candidates.append(place.target.with_name(name.removesuffix(ending)))
    for candidate in candidates:
        if candidate.is_file() and os.access(candidate, os.R_OK):
            with candidate.open("rb") as file:
                if file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC:
                    raise OutputError(
                        f"{path}: expected a place for a file, got a database, which output never replaces; choose "
                        f"another name"
                    )


def _write_into(place: _Place, content: bytes) -> None:
    sys.stdout.flush()  # what was printed before stays before it
    if place.descriptor is not None:
        descriptor = os.dup(place.descriptor)  # opened anew, a file behind it would be written from its beginning
    else:
        descriptor = os.open(place.target, os.O_WRONLY | os.O_NOCTTY)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _replace(place: _Place, content: bytes, mode: int) -> None:
    """Write a file beside the target, and put it in its place when it is complete."""
    target, found = place.target, place.found
    if found is not None and not os.access(target, os.W_OK):
        raise PermissionError(None, "it is write-protected")
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".stability-sweep-{uuid.uuid4().hex}")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(unfinished, flags, mode if found is None else PRIVATE), "wb") as file:
            file.write(content)
            file.flush()
            if found is not None:
                _hand_on_rights(file.fileno(), found)
            os.fsync(file.fileno())
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _hand_on_rights(descriptor: int, found: os.stat_result) -> None:
    with contextlib.suppress(OSError):  # only the superuser may give files away
        os.fchown(descriptor, found.st_uid, found.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(found.st_mode))
