"""A report on paper: what Chromium prints, page by page, read by poppler."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from playwright.sync_api import Page

from tests.conftest import unavailable

DOTS_PER_INCH = 40
MARGIN_MM = 12
INK = 250
"""Of 255: what is darker is printed."""

TOOLS = ("pdftoppm", "pdftotext")


@dataclass(frozen=True)
class Sheet:
    """One printed page."""

    shades: npt.NDArray[np.uint8]
    """Gray, (rows, columns)."""
    columns: tuple[str, str]
    """The text of its left and its right half."""

    @property
    def empty(self) -> float:
        """The share of the page between its margins that is empty at the end."""
        margin = round(MARGIN_MM / 25.4 * DOTS_PER_INCH)
        inked = np.flatnonzero((self.shades < INK).any(axis=1))
        last = int(inked[-1]) if len(inked) else margin
        height = len(self.shades)
        return max(0, height - margin - 1 - last) / (height - 2 * margin)


def printed(page: Page, path: Path, size: str) -> list[Sheet]:
    """Print an open page.

    Args:
        page: as the reader has it.
        path: where the PDF goes.
        size: of the paper, "A4" or "Letter".
    """
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        unavailable(f"{missing[0]} (poppler) is not installed")
    page.pdf(path=path, format=size)
    command = ["pdftoppm", "-r", str(DOTS_PER_INCH), "-gray", str(path), str(path.with_suffix(""))]
    subprocess.run(command, check=True)
    drawn = [_gray(file) for file in sorted(path.parent.glob(f"{path.stem}-*.pgm"))]
    return [Sheet(shades, _columns(path, number, shades)) for number, shades in enumerate(drawn, start=1)]


def _gray(file: Path) -> npt.NDArray[np.uint8]:
    _, size, _, raw = file.read_bytes().split(b"\n", 3)
    width, height = map(int, size.split())
    return np.frombuffer(raw, np.uint8).reshape(height, width)


def _columns(path: Path, number: int, shades: npt.NDArray[np.uint8]) -> tuple[str, str]:
    height, width = shades.shape
    left, right = (_text(path, number, x, width // 2, height) for x in (0, width // 2))
    return left, right


def _text(path: Path, number: int, x: int, width: int, height: int) -> str:
    where = ["-f", number, "-l", number, "-r", DOTS_PER_INCH, "-x", x, "-y", 0, "-W", width, "-H", height]
    command = ["pdftotext", "-layout", *map(str, where), str(path), "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
