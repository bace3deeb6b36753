from __future__ import annotations

import gzip
import http.server
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from stability_sweep.environment import DATA_VARIABLE
from stability_sweep.errors import DataError
from stability_sweep.targets.images import mnist

FILE = f"{mnist.TRAINING_FILE}.gz"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of our own, and no folder named by the environment."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    return mnist.cache_folder()


@pytest.fixture
def copied(mnist_dir: Path, tmp_path: Path) -> Path:
    """A folder with a copy of the training images, to be damaged."""
    folder = tmp_path / "copy"
    folder.mkdir()
    shutil.copy(mnist_dir / FILE, folder / FILE)
    (folder / FILE).chmod(0o644)
    return folder


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def mirror(copied: Path) -> Iterator[str]:
    """A real HTTP server on this machine that serves the copy."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=str(copied)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_real_images_are_read(mnist_dir: Path) -> None:
    images = mnist.training_images(mnist_dir)
    assert images.shape == (60_000, 784)
    assert images.max() == 255
    assert np.isclose(images.mean(), 33.32, atol=0.01)  # the data set's well-known mean


def test_decompressed_files_are_read_too(copied: Path) -> None:
    (copied / mnist.TRAINING_FILE).write_bytes(gzip.decompress((copied / FILE).read_bytes()))
    (copied / FILE).unlink()
    assert mnist.training_images(copied).shape == (60_000, 784)


def test_data_dir_comes_before_the_environment_and_the_cache(
    mnist_dir: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert mnist.locate(None).folder == cache
    monkeypatch.setenv(DATA_VARIABLE, str(mnist_dir))
    assert mnist.locate(None).folder == mnist_dir
    assert mnist.locate(tmp_path).folder == tmp_path


def test_a_truncated_file_is_named(copied: Path) -> None:
    path = copied / FILE
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(DataError, match=rf"{FILE}: truncated or corrupt"):
        mnist.training_images(copied)


def test_a_file_with_one_changed_pixel_is_named(copied: Path) -> None:
    path = copied / FILE
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[5_000_000] ^= 1
    path.write_bytes(gzip.compress(bytes(content), compresslevel=1))
    with pytest.raises(DataError, match=rf"{FILE}: corrupt: expected SHA-256 ba891046e6505d7a"):
        mnist.training_images(copied)


def test_a_named_folder_without_mnist_is_an_error_with_the_ways_out(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"--data-dir is .* there is no .*; ways out:\n\(1\).*\n\(2\).*\n\(3\).*\n\(4\)"
    ):
        mnist.training_images(tmp_path)


def test_a_download_is_checked_and_cached(cache: Path, mirror: str) -> None:
    path = mnist.fetch(mnist.TRAINING_FILE, mirrors=[mirror])
    assert path == cache / FILE
    assert mnist.training_images(None).shape == (60_000, 784)  # now found without any mirror
    assert [entry.name for entry in cache.iterdir()] == [FILE]


def test_the_second_mirror_serves_when_the_first_is_down(cache: Path, mirror: str) -> None:
    assert mnist.fetch(mnist.TRAINING_FILE, mirrors=["http://127.0.0.1:1/", mirror]) == cache / FILE


def test_a_corrupt_download_is_never_kept(cache: Path, mirror: str, copied: Path) -> None:
    (copied / FILE).write_bytes(gzip.compress(b"something else"))
    with pytest.raises(mnist.MissingDataError, match=r"sent a corrupt file.*ways out:\n\(1\)"):
        mnist.fetch(mnist.TRAINING_FILE, mirrors=[mirror])
    assert list(cache.iterdir()) == []


def test_every_mirror_that_was_not_reached_has_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist, "cache_folder", lambda: tmp_path)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:1/ not reached: the connection was refused\)"):
        mnist.fetch(mnist.TRAINING_FILE, mirrors=["http://127.0.0.1:1/"])
    for variable in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
    with pytest.raises(DataError, match=r"http://mirror\.invalid/ not reached: the proxy did not let it through"):
        mnist.fetch(mnist.TRAINING_FILE, mirrors=["http://mirror.invalid/"])
