"""Files that are either complete or not there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from stability_sweep.errors import OutputError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside the target and put it in its place when it is complete.

    Raises:
        OutputError: if it cannot be written (no space, no permission); what was there before stays.
    """
    unfinished: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            unfinished = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.chmod(0o644)
        unfinished.replace(path)
        unfinished = None
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}; nothing was changed there") from error
    finally:
        if unfinished is not None:
            unfinished.unlink(missing_ok=True)
