"""How the values of a dimension are laid out along an axis, and cut into bands.

An axis has *positions*: log10 or the plain value for a range, the index of the band for choices. "off" lies in a band
of its own beyond the range's high end. Bands tile the axis; a map's cell is a pair of bands.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from stability_sweep.space.dimensions import Choices, Range, Value
from stability_sweep.space.off import OFF, is_off
from stability_sweep.typing import Array, Integers

MOST_BANDS = 10
"""Of a logarithmic range."""

LINEAR_BANDS = 6
"""Of a linear range, and of a logarithmic one that is too narrow for round edges."""


@dataclass(frozen=True)
class Axis:
    """One dimension as an axis."""

    name: str
    edges: tuple[float, ...]
    """Positions of the bands' edges, ascending; one more than there are bands."""
    labels: tuple[str, ...]
    """What each band holds, in words."""
    values: tuple[Value, ...]
    """The choices in the order of their bands; empty for a range."""
    is_log: bool
    has_off: bool
    """Whether the last band means "off"."""

    @property
    def title(self) -> str:
        """The dimension's name as people say it."""
        return self.name.replace("_", " ")

    @property
    def centers(self) -> tuple[float, ...]:
        """Positions of the bands' centers."""
        return tuple((low + high) / 2 for low, high in pairwise(self.edges))

    def position(self, value: Value) -> float:
        """Where a value lies."""
        if self.values:
            return float(self.values.index(value))
        assert isinstance(value, (int, float))
        if math.isinf(value):
            return self.centers[-1]
        return math.log10(value) if self.is_log else float(value)

    def words(self, position: float) -> str:
        """The value at a position, as people write it."""
        if self.values:
            return self.labels[min(max(round(position), 0), len(self.labels) - 1)]
        if self.has_off and position > self.edges[-2]:
            return OFF
        return format_value(float(10**position if self.is_log else position))

    def bands(self, values: Iterable[Value]) -> Integers:
        """Index of the band that holds each value."""
        values = list(values)
        positions = np.fromiter(map(self.position, values), dtype=np.float64, count=len(values))
        found = np.searchsorted(self.edges, positions, side="right") - 1
        # The band of "off" is no range's: a value at the very end belongs to the last band before it.
        last = len(self.labels) - 1 - (self.has_off & ~np.fromiter(map(is_off, values), dtype=bool, count=len(values)))
        return np.clip(found, 0, last).astype(np.int64)

    def band(self, value: Value) -> int:
        """Index of the band that holds a value."""
        return int(self.bands([value])[0])

    def ticks(self) -> tuple[list[float], list[str]]:
        """Positions and texts of the axis labels."""
        if self.values:
            return list(self.centers), list(self.labels)
        ends = self.edges[:-1] if self.has_off else self.edges
        if self.is_log:
            positions = [float(p) for p in range(math.ceil(ends[0] - 1e-9), math.floor(ends[-1] + 1e-9) + 1)]
            if len(positions) < 2:
                positions = [ends[0], ends[-1]]
            texts = [format_value(10**p) for p in positions]
        else:
            positions = list(ends)
            texts = [format_value(p) for p in positions]
        if self.has_off:
            positions, texts = [*positions, self.centers[-1]], [*texts, OFF]
        return positions, texts

    def minor_ticks(self) -> list[float]:
        """Positions of 2, 3, ... 9 times every power of ten, along a logarithmic axis; others have none."""
        if not self.is_log:
            return []
        low, high = self.edges[0], self.edges[-2] if self.has_off else self.edges[-1]
        decades = range(math.floor(low), math.ceil(high))
        found = [decade + math.log10(factor) for decade in decades for factor in range(2, 10)]
        return [round(position, 4) for position in found if low <= position <= high]


def format_value(value: Value) -> str:
    """A value as people write it: ``0.001``, ``3.2e-5``, ``1000``, ``64``, ``off``."""
    if is_off(value):
        return OFF
    if not isinstance(value, float):
        return str(value)
    mantissa, _, exponent = f"{value:.3g}".partition("e")
    if not exponent:
        return mantissa
    return f"{value:.0f}" if 3 <= int(exponent) <= 5 else f"{mantissa}e{int(exponent)}"


def axis_of(name: str, dimension: Range | Choices) -> Axis:
    """The axis of a dimension."""
    if isinstance(dimension, Choices):
        values = dimension.grid(0)
        if dimension.is_ordered:
            values = sorted(values, key=float)
        around = tuple(index - 0.5 for index in range(len(values) + 1))  # a choice lies in the middle of its band
        return Axis(name, around, tuple(format_value(v) for v in values), tuple(values), False, False)
    has_off = dimension.off_share > 0
    ends = _log_edges(dimension) if dimension.log else np.linspace(dimension.low, dimension.high, LINEAR_BANDS + 1)
    edges = [float(edge) for edge in ends]
    texts = [format_value(float(10**edge if dimension.log else edge)) for edge in edges]
    labels = [f"{low} to {high}" for low, high in pairwise(texts)]
    if has_off:
        edges.append(edges[-1] + (edges[-1] - edges[-2]))
        labels.append(OFF)
    return Axis(name, tuple(edges), tuple(labels), (), dimension.log, has_off)


def _log_edges(dimension: Range) -> Array:
    """Edges at full, half or quarter decades: the finest that makes no more than `MOST_BANDS` bands.

    Where none lies inside the range, even parts: a dimension with one band would be taken for one with one value.
    """
    low, high = math.log10(dimension.low), math.log10(dimension.high)
    width = next((w for w in (0.25, 0.5, 1.0) if (high - low) / w <= MOST_BANDS + 1e-9), (high - low) / MOST_BANDS)
    inner = np.arange(math.floor(low / width) + 1, math.ceil(high / width)) * width
    inner = inner[(inner > low + 1e-9) & (inner < high - 1e-9)]
    return np.array([low, *inner, high]) if len(inner) else np.linspace(low, high, LINEAR_BANDS + 1)
