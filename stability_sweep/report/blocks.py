"""What a page is made of: sections of exhibits, each a figure or a table with what it says.

Figures stay Plotly's objects here. How they become a page or a picture is the affair of `page` and `files`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd
import plotly.graph_objects as go

from stability_sweep.report.cells import cell_texts
from stability_sweep.report.theme import PLAIN_HEIGHT


@dataclass(frozen=True)
class KeyFigure:
    """One number at the top of the page."""

    value: str
    label: str
    detail: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table that is shown."""

    name: str
    """In the table that it is taken from."""
    heading: str
    is_marked: bool = False
    """Whether its words carry a color of their own (outcomes, verdicts); at most one column of a table."""
    is_dimension: bool = False
    """Whether infinity means "off" in it."""


@dataclass(frozen=True)
class Table:
    """A table of the page, as text."""

    headings: list[str]
    rows: list[list[str]]
    marked: int | None = None
    """The column whose words carry a color of their own."""

    @classmethod
    def of(cls, table: pd.DataFrame, columns: Sequence[Column]) -> Table:
        """These columns of a table, under their headings."""
        cells = cell_texts(table, {column.name: column.is_dimension for column in columns})
        marked = next((place for place, column in enumerate(columns) if column.is_marked), None)
        return cls([column.heading for column in columns], cells, marked)


@dataclass(frozen=True)
class Exhibit:
    """A figure or a table with what it says."""

    title: str
    caption: str
    """Its finding, in words computed from the data."""
    csv: str = ""
    """Name of the table behind it, which can be downloaded."""
    figure: go.Figure | None = None
    table: Table | None = None
    slices: list[str] = field(default_factory=list)
    """What the slider of a map runs through; empty for other figures."""
    slice_title: str = ""
    first_slice: int | None = None
    """The one that is shown first; None for the middle one."""
    captions: list[str] = field(default_factory=list)
    """What is said under a map, slice by slice; empty where the caption holds for all of it."""
    counts_caption: str = ""
    """What is said under the raw counts of a map that can be switched to them."""
    follows: str = ""
    """The reader's choice at the top of the page that moves the slider: ``horizon``; empty for none."""
    has_model: bool = False
    """Whether a map can be switched between model and counts."""
    note: str = ""
    lines: list[str] = field(default_factory=list)
    """Sentences, as a list: what there is to say of its rows, one by one."""
    choices: list[list[Exhibit]] = field(default_factory=list)
    """What it is for every horizon and tolerance that the reader may choose; empty where it stays as it is."""

    @property
    def height(self) -> int:
        """Of the figure, in pixels."""
        return PLAIN_HEIGHT if self.figure is None else int(self.figure.layout.height or PLAIN_HEIGHT)


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    key: str
    """Its name in links and in files."""
    title: str
    text: str
    exhibits: list[Exhibit]


def table_exhibit(title: str, caption: str, table: pd.DataFrame, columns: Sequence[Column], csv: str) -> Exhibit:
    """A table with its download; only its caption where the table is empty.

    Args:
        title: above it.
        caption: what it says.
        table: of the analysis.
        columns: those that are shown, in order.
        csv: name of the whole table, for the download.
    """
    return Exhibit(title, caption) if table.empty else Exhibit(title, caption, csv, table=Table.of(table, columns))
