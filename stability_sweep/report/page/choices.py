"""What exhibits are for every horizon and tolerance that the reader may choose, as the page's script gets it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from stability_sweep.report.blocks import Exhibit, Section


@dataclass(frozen=True)
class ChoiceDetail:
    """An exhibit as it is for one choice; what is None is not sent."""

    title: str
    caption: str
    traces: list[dict[str, Any]] | None = None
    """Of its figure, for Plotly; the layout is that of every choice."""
    rows: list[list[str]] | None = None
    """Of its table, under the headings of every choice."""

    @classmethod
    def of(cls, exhibit: Exhibit, *, has_table: bool) -> ChoiceDetail:
        """Of an exhibit; one that has no table has no rows where others have some."""
        traces = None if exhibit.figure is None else json.loads(exhibit.figure.to_json())["data"]
        rows = [] if exhibit.table is None else exhibit.table.rows
        return cls(exhibit.title, exhibit.caption, traces, rows if has_table else None)


Choices = dict[str, list[list[ChoiceDetail]]]
"""By the key of the exhibit on the page, then by horizon and tolerance."""


def choices_of(sections: Iterable[Section]) -> Choices:
    """Of all exhibits that follow the reader's choice."""
    return {
        f"{section.key}{place}": [
            [ChoiceDetail.of(choice, has_table=exhibit.table is not None) for choice in row] for row in exhibit.choices
        ]
        for section in sections
        for place, exhibit in enumerate(section.exhibits, start=1)
        if exhibit.choices
    }
