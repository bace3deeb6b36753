"""A speed limit in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stability_sweep.analysis.speed_limit import NONE_IS_SAFE, NOT_REACHED, UNKNOWN
from stability_sweep.results import columns
from stability_sweep.space.axes import format_value


@dataclass(frozen=True)
class LimitInWords:
    """A speed limit in words, part by part."""

    value: str
    """``1.2e-3``, ``not reached``, ``none is safe``, ``unknown above 8e-4``."""
    reason: str = ""
    """Why it is no number; empty for one."""
    band: str = ""
    """``90% band 8e-4 to 2e-3``; empty where the whole band says the same."""
    again: str = ""
    """``again safe between 3e-3 and 1e-2``; empty where nothing above the limit is."""

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> LimitInWords:
        """Of a row of `speed_limits`."""
        status = row[columns.STATUS]
        if status == NOT_REACHED:
            return cls(status, "every learning rate of the study is safe")
        if status == NONE_IS_SAFE:
            return cls(status, "even the smallest learning rate of the study is over the tolerance")
        band = f"90% band {_end_in_words(row[columns.LOW])} to {_end_in_words(row[columns.HIGH])}"
        if status == UNKNOWN:
            above = f" above {format_value(float(row[columns.LOW]))}" if row[columns.LOW] > 0 else ""
            return cls(f"{status}{above}", "not enough trials to say", band)
        return cls(format_value(float(row[columns.LIMIT])), "", band, _again_in_words(row))

    def __str__(self) -> str:
        """``1.2e-3 (90% band 8e-4 to 2e-3)``, ``not reached: every learning rate of the study is safe``."""
        reason = f": {self.reason}" if self.reason else ""
        band = f" ({self.band})" if self.band else ""
        return f"{self.value}{reason}{band}{self.again and f'; {self.again}'}"


def place_in_words(row: Mapping[Any, Any], *, clip: bool = True) -> str:
    """``batch size 64 and clip norm off``; what the study lacks is left out, and may be everything.

    Args:
        row: of `speed_limits`.
        clip: whether to say the clip norm.
    """
    parts = []
    if row[columns.BATCH_SIZE] is not None:
        parts.append(f"batch size {row[columns.BATCH_SIZE]}")
    if clip and row[columns.CLIP] is not None:
        parts.append(f"clip norm {row[columns.CLIP]}")
    return " and ".join(parts)


def mark_in_words(row: Mapping[Any, Any]) -> str:
    """What the reader sees of a limit under the pointer; its clipping is told by its line."""
    place = place_in_words(row, clip=False)
    return f"{place}: {LimitInWords.of(row)}" if place else str(LimitInWords.of(row))


def _again_in_words(row: Mapping[Any, Any]) -> str:
    """Where the map is within the tolerance again, above the limit."""
    start, end = float(row[columns.AGAIN_FROM]), float(row[columns.AGAIN_TO])
    if math.isnan(start):
        return ""
    if math.isinf(end):
        return f"again safe from {format_value(start)} on"
    return f"again safe between {format_value(start)} and {format_value(end)}"


def _end_in_words(end: float) -> str:
    return "none" if end == 0 else "beyond the range" if math.isinf(end) else format_value(float(end))
