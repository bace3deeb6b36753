"""The report for programs and papers: JSON, CSV files, pictures."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from stability_sweep import __version__
from stability_sweep.analysis import Analysis
from stability_sweep.errors import OutputError
from stability_sweep.report.page import Section
from stability_sweep.report.summary import summary_sentences
from stability_sweep.report.tables import csv_of_table, json_rows
from stability_sweep.report.writing import check_place, write_output
from stability_sweep.results.numbers import DIGITS

PICTURE_WIDTH, PICTURE_SCALE = 900, 2


def report_json(analysis: Analysis) -> dict[str, Any]:
    """Every table of a report but the maps' grids; numbers that are not finite are the texts of `spelling`."""
    tables = {name: table for name, table in analysis.tables().items() if not name.startswith("map-")}
    return {
        "study": analysis.study.name,
        "version": __version__,
        "summary": summary_sentences(analysis.study, analysis.frame),
        "tolerance": analysis.tolerance,
        "effects_note": analysis.effects.note,
        "tables": {name: json_rows(table, digits=DIGITS) for name, table in tables.items()},
    }


def write_json(path: Path, analysis: Analysis) -> None:
    """Write `report_json` to a file.

    Raises:
        OutputError: if it cannot be written.
    """
    write_output(path, json.dumps(report_json(analysis), indent=1, allow_nan=False).encode("utf-8"))


def write_csv_files(folder: Path, analysis: Analysis) -> Iterator[Path]:
    """Write one CSV file per table into a folder; yields their paths.

    Raises:
        OutputError: if one cannot be written.
    """
    for name, table in analysis.tables().items():
        path = folder / f"{name}.csv"
        write_output(path, csv_of_table(table).encode("utf-8"))
        yield path


def write_pictures(folder: Path, sections: list[Section]) -> list[Path]:
    """Write one PNG file per figure into a folder; return their paths.

    Raises:
        OutputError: if Plotly's picture engine or a browser is missing, or the folder cannot be written to.
    """
    import plotly.io

    figures, paths = [], []
    for section in sections:
        for place, panel in enumerate(section.panels):
            if panel.figure_json is not None:
                figures.append(_on_white(plotly.io.from_json(str(panel.figure_json)), panel.title))
                paths.append(folder / f"{section.key}-{place + 1}.png")
    for path in paths:
        check_place(path)
    try:
        with tempfile.TemporaryDirectory(prefix="stability-sweep-") as aside:
            drawn = [Path(aside) / path.name for path in paths]
            # All at once: one browser draws them in turn.
            plotly.io.write_images(figures, drawn, width=PICTURE_WIDTH, scale=PICTURE_SCALE,
                                   height=[figure.layout.height for figure in figures])  # fmt: skip
            for source, path in zip(drawn, paths, strict=True):
                write_output(path, source.read_bytes())
    except (ImportError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        hint = "pictures need Plotly's engine and Chrome or Chromium: pip install 'stability-sweep[png]'"
        raise OutputError(f"{hint} ({reason})") from error
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return paths


def _on_white(figure: go.Figure, title: str) -> go.Figure:
    """A figure as it stands alone: with a title, and with a background."""
    return figure.update_layout(
        paper_bgcolor="white",
        title={"text": title, "y": 0.985, "font": {"size": 14}},
        margin={"t": 90},
        height=(figure.layout.height or 420) + 50,
    )
