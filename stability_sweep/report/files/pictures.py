"""The figures of a report as PNG files, for papers."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go

from stability_sweep.errors import OutputError
from stability_sweep.report.blocks import Section
from stability_sweep.report.files.writing import check_place, write_output
from stability_sweep.report.theme import PLAIN_HEIGHT

PICTURE_WIDTH, PICTURE_SCALE = 900, 2
TITLE_HEIGHT = 50
"""Pixels that the title of a picture takes above its figure."""


def write_pictures(folder: Path, sections: Sequence[Section]) -> list[Path]:
    """Write one PNG file per figure into a folder; return their paths.

    Raises:
        OutputError: if Plotly's picture engine or a browser is missing, or the folder cannot be written to.
    """
    found = {
        folder / f"{section.key}-{place}.png": _on_white(exhibit.figure, exhibit.title)
        for section in sections
        for place, exhibit in enumerate(section.exhibits, start=1)
        if exhibit.figure is not None
    }
    for path in found:
        check_place(path)
    try:
        _draw(found)
    except (ImportError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        hint = "pictures need Plotly's engine and Chrome or Chromium: pip install 'stability-sweep[png]'"
        raise OutputError(f"{hint} ({reason})") from error
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return list(found)


def _draw(found: dict[Path, go.Figure]) -> None:
    """All at once: one browser draws them in turn, and only complete pictures come to their places."""
    import plotly.io

    with tempfile.TemporaryDirectory(prefix="stability-sweep-") as aside:
        drawn = [Path(aside) / path.name for path in found]
        figures = list(found.values())
        heights = [figure.layout.height for figure in figures]
        plotly.io.write_images(figures, drawn, width=PICTURE_WIDTH, scale=PICTURE_SCALE, height=heights)
        for source, path in zip(drawn, found, strict=True):
            write_output(path, source.read_bytes())


def _on_white(figure: go.Figure, title: str) -> go.Figure:
    """A copy of a figure as it stands alone: with a title, and with a background."""
    return go.Figure(figure).update_layout(
        paper_bgcolor="white",
        title={"text": title, "y": 0.985, "font": {"size": 14}},
        margin={"t": 90},
        height=(figure.layout.height or PLAIN_HEIGHT) + TITLE_HEIGHT,
    )
