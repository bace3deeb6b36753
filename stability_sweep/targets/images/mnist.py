"""MNIST: found in a local folder or the cache, downloaded otherwise, always checked.

The checksums are those of the *decompressed* files, because gzip streams of the same content differ.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray

from stability_sweep.environment import DATA_VARIABLE
from stability_sweep.errors import DataError

logger = logging.getLogger(__name__)

TRAINING_FILE = "train-images-idx3-ubyte"

SHA256 = {
    TRAINING_FILE: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""SHA-256 of each decompressed file."""

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

FOUR_WAYS_OUT = (
    "(1) connect to the internet and run `stability-sweep data fetch`",
    "(2) pass --data-dir FOLDER with the MNIST files",
    f"(3) set {DATA_VARIABLE}=FOLDER",
    '(4) put dataset = "digits" into the definition\'s [data] table, which needs no download',
)
"""A line each."""

_IDX_IMAGES_MAGIC = 2051
_IDX_HEADER_BYTES = 16


class MissingDataError(DataError):
    """MNIST is not to be had here; the message names the ways out."""


@dataclass(frozen=True)
class Location:
    """A folder in which MNIST is looked for."""

    folder: Path
    origin: str
    """Who named the folder, for messages."""
    is_cache: bool = False


def cache_folder() -> Path:
    """The user's cache, where downloads go."""
    return Path(platformdirs.user_cache_dir("stability-sweep")) / "mnist"


def locate(data_dir: Path | None) -> Location:
    """Where MNIST is to be read from: `data_dir`, else the environment's folder, else the cache."""
    if data_dir is not None:
        return Location(data_dir, "--data-dir")
    if from_environment := os.environ.get(DATA_VARIABLE):
        return Location(Path(from_environment), f"${DATA_VARIABLE}")
    return Location(cache_folder(), "the cache", is_cache=True)


def find(folder: Path, name: str) -> Path | None:
    """The file of that name in a folder, compressed or not."""
    candidates = (folder / f"{name}.gz", folder / name)
    return next((path for path in candidates if path.is_file()), None)


def training_images(data_dir: Path | None) -> NDArray[np.uint8]:
    """The 60,000 training images, (60000, 784), 0 to 255; downloaded into the cache if no folder was named.

    Raises:
        MissingDataError: if they are neither here nor to be downloaded.
        DataError: if a named folder lacks them, or the file found is corrupt.
    """
    location = locate(data_dir)
    path = find(location.folder, TRAINING_FILE)
    if path is None and not location.is_cache:
        raise DataError(
            f"{location.origin} is {location.folder}, but there is no {TRAINING_FILE}.gz in it; ways out:",
            *FOUR_WAYS_OUT,
        )
    if path is None:
        path = fetch(TRAINING_FILE)
    content = read_verified(path, TRAINING_FILE)
    if int.from_bytes(content[:4], "big") != _IDX_IMAGES_MAGIC:
        raise DataError(f"{path}: expected an IDX file of images")
    return np.frombuffer(content, dtype=np.uint8, offset=_IDX_HEADER_BYTES).reshape(-1, 28 * 28)


def read_verified(path: Path, name: str) -> bytes:
    """The decompressed content of an MNIST file whose checksum is right.

    Raises:
        DataError: naming the file, if it cannot be read, is truncated, or has another checksum.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if path.suffix == ".gz":
        content = gunzip(content, path)
    verify(content, name, path)
    return content


def gunzip(content: bytes, path: Path) -> bytes:
    """Decompress; `path` is only named in the error.

    Raises:
        DataError: if the stream is truncated or corrupt.
    """
    try:
        return gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: truncated or corrupt ({error}); delete it and fetch it again") from error


def verify(content: bytes, name: str, path: Path) -> None:
    """Check the decompressed content of an MNIST file; `path` is only named in the error.

    Raises:
        DataError: if the checksum is wrong.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256[name]:
        raise DataError(
            f"{path}: corrupt: expected SHA-256 {SHA256[name][:16]}... of the decompressed content, "
            f"got {found[:16]}...; delete it and fetch it again"
        )


REASONS = {
    "ProxyError": "not reached: the proxy did not let it through",
    "ConnectTimeout": "not reached: no answer in time",
    "ReadTimeout": "broke off: no answer in time",
    "SSLError": "not trusted: its certificate",
    "InvalidProxyURL": "not reached: the proxy's address is malformed",
}
"""By the names of the errors of `requests`, which is imported only for a download."""


def _why(error: Exception) -> str:
    """Why a mirror did not deliver, in a few words."""
    if isinstance(error, DataError):
        return "sent a corrupt file"
    kind, text = type(error).__name__, str(error)
    if kind in REASONS:
        return REASONS[kind]
    if "NameResolution" in text or "getaddrinfo" in text or "Name or service" in text:
        return "not reached: its name was not found"
    if "refused" in text:
        return "not reached: the connection was refused"
    status = getattr(getattr(error, "response", None), "status_code", None)
    return f"answered with status {status}" if status is not None else f"not reached: {kind}"


def fetch(name: str, *, mirrors: Sequence[str] = MIRRORS, timeout_seconds: float = 20.0) -> Path:
    """Download one file into the cache from the first mirror that has it, and check it.

    Raises:
        MissingDataError: if no mirror delivers the right content.
    """
    import pooch  # a slow import, needed once per machine

    reasons = []
    unchecked = cache_folder() / f"{name}.gz.unchecked"
    for mirror in mirrors:
        try:
            pooch.retrieve(
                f"{mirror}{name}.gz",
                known_hash=None,  # gzip streams differ between mirrors; the content is checked below
                fname=unchecked.name,
                path=unchecked.parent,
                downloader=pooch.HTTPDownloader(timeout=timeout_seconds),
            )
            content = unchecked.read_bytes()
            verify(gunzip(content, unchecked), name, unchecked)
            return unchecked.replace(unchecked.with_name(f"{name}.gz"))
        except (DataError, OSError, ValueError) as error:  # requests' errors are OSErrors
            logger.debug("%s%s.gz: %s", mirror, name, error)
            reasons.append(f"{mirror} {_why(error)}")
        finally:
            unchecked.unlink(missing_ok=True)
    raise MissingDataError(
        f"MNIST is not on this machine and could not be downloaded ({'; '.join(reasons)}); ways out:",
        *FOUR_WAYS_OUT,
    )
