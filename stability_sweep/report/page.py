"""Figures and tables to one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import plotly.graph_objects as go
import plotly.offline
from markupsafe import Markup

from stability_sweep.report.payload import packed, table_rows
from stability_sweep.report.writing import write_output


@dataclass(frozen=True)
class KeyFigure:
    """One number at the top of the page."""

    value: str
    label: str
    detail: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the page, as text."""

    headings: list[str]
    rows: list[list[str]]
    marked: int | None = None
    """The column whose words carry a color of their own (outcomes, verdicts)."""

    @classmethod
    def of(
        cls,
        table: pd.DataFrame,
        columns: Mapping[str, str],
        *,
        marked: str | None = None,
        dimensions: Collection[str] = (),
    ) -> Table:
        """The columns of a table under their headings; `columns` is heading by name."""
        place = None if marked is None else list(columns).index(marked)
        return cls(list(columns.values()), table_rows(table, list(columns), dimensions), place)


@dataclass(frozen=True)
class Panel:
    """A figure or a table with what it says."""

    title: str
    caption: str
    """Its finding, in words computed from the data."""
    csv: str = ""
    """Name of the table behind it."""
    figure_json: Markup | None = None
    """The Plotly figure, safe inside a script element."""
    height: int = 420
    table: Table | None = None
    slices: list[str] = field(default_factory=list)
    """What the slider of a map runs through; empty for other figures."""
    slice_title: str = ""
    has_model: bool = False
    """Whether a map can be switched between model and counts."""
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    key: str
    title: str
    text: str
    panels: list[Panel]


@dataclass(frozen=True)
class PageContext:
    """Everything that the template sees."""

    name: str
    description: str
    notice: str | None
    sentences: list[str]
    key_figures: list[KeyFigure]
    sections: list[Section]
    trials_text: str
    method: list[tuple[str, str]]
    appendix: list[Panel]
    definition_json: str
    fingerprint: str
    storage: str
    version: str
    created_at: str
    refresh_seconds: int | None
    """The page loads itself anew so often; None where it is written once."""
    payload: Markup


def write_page(path: Path, context: PageContext) -> None:
    """Render the page and write it.

    Raises:
        OutputError: if the file cannot be written; an older one stays until a new one is complete.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("stability_sweep.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template("page.html.j2").render(asdict(context), plotly_gzip_base64=plotly_script())
    write_output(path, html.encode("utf-8"))


def figure_panel(title: str, caption: str, figure: go.Figure, csv: str = "", **more: Any) -> Panel:
    """A panel with a figure."""
    height = int(figure.layout.height or 420)
    return Panel(title, caption, csv, figure_json(figure), height=height, **more)


def figure_json(figure: go.Figure) -> Markup:
    """JSON that cannot end the script element it stands in."""
    return Markup(figure.to_json().replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


@cache
def plotly_script() -> Markup:
    """plotly.js, compressed to a third."""
    return Markup(packed(plotly.offline.get_plotlyjs().encode("utf-8")))
