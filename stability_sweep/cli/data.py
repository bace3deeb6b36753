"""``stability-sweep data``."""

from __future__ import annotations

from pathlib import Path

import typer

from stability_sweep.cli.options import DataDir
from stability_sweep.cli.printing import say, say_path
from stability_sweep.errors import DataError

app = typer.Typer(help="Find, download and check MNIST.", no_args_is_help=True)


@app.command()
def fetch() -> None:
    """Download MNIST into the cache, from the first of two mirrors that delivers the right content.

    Example:

      stability-sweep data fetch
    """
    from stability_sweep.targets.images import mnist

    for name in mnist.SHA256:
        cached = mnist.find(mnist.cache_folder(), name)
        path = cached if cached is not None and _is_right(cached, name) else mnist.fetch(name)
        say(f"{path}  right")


@app.command()
def verify(data_dir: DataDir = None) -> None:
    """Check the four MNIST files in the folder that would be used.

    Example:

      stability-sweep data verify --data-dir ./mnist
    """
    from stability_sweep.targets.images import mnist

    location = mnist.locate(data_dir)
    wrong = 0
    for name in mnist.SHA256:
        path = mnist.find(location.folder, name)
        try:
            if path is None:
                raise DataError(f"{location.folder / name}.gz: missing")
            mnist.read_verified(path, name)
            say(f"{path}: right")
        except DataError as error:
            wrong += 1
            say(str(error))
    if wrong:
        raise DataError(f"{wrong} of {len(mnist.SHA256)} files in {location.folder} are missing or corrupt")


@app.command()
def where(data_dir: DataDir = None) -> None:
    """Print the folder that MNIST is read from.

    Example:

      stability-sweep data where
    """
    from stability_sweep.targets.images import mnist

    say_path(mnist.locate(data_dir).folder)


def _is_right(path: Path, name: str) -> bool:
    from stability_sweep.targets.images import mnist

    try:
        mnist.read_verified(path, name)
    except DataError:
        return False
    return True
