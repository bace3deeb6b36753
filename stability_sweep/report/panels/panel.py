"""What a panel is: one subject of the report."""

from __future__ import annotations

from typing import Protocol

import pandas as pd

from stability_sweep.analysis import Analysis
from stability_sweep.report.blocks import Exhibit, Section


class Panel(Protocol):
    """One subject of the report, which makes a section of it; our own inherit `build`.

    A panel reads the analysis and computes nothing that a table of it does not hold.
    """

    key: str
    """Its name in links, files and the registry."""
    title: str
    """Above its section."""
    needs: tuple[str, ...] = ()
    """The fields of `Analysis` without which there is nothing to draw: tables, or tables by dimension."""
    absent: str = ""
    """What it says where one of these is empty; if that is nothing, the report leaves its section out."""

    def text(self, analysis: Analysis) -> str:
        """What the section says before its exhibits; may be empty."""

    def exhibits(self, analysis: Analysis) -> list[Exhibit]:
        """Its figures and tables, each with its finding; called only where there is what it needs."""

    def build(self, analysis: Analysis) -> Section:
        """The section; without exhibits there is nothing to show."""
        if all(_has_rows(getattr(analysis, name)) for name in self.needs):
            exhibits = self.exhibits(analysis)
        else:
            exhibits = [Exhibit("", self.absent)] if self.absent else []
        return Section(self.key, self.title, self.text(analysis), exhibits)


def _has_rows(found: pd.DataFrame | dict[str, pd.DataFrame]) -> bool:
    tables = found.values() if isinstance(found, dict) else [found]
    return any(len(table) for table in tables)
