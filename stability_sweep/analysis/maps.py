"""The surface on a regular grid of two dimensions, slice by slice of a third: what a map draws."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from stability_sweep.analysis.baseline import baseline_point
from stability_sweep.analysis.lines import representatives
from stability_sweep.analysis.surface import Surface
from stability_sweep.results import columns
from stability_sweep.space.axes import Axis
from stability_sweep.space.dimensions import Value
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array, Integers

GRID = 28
"""Columns of a map along a range."""

MOST_SLICES = 5
MOST_MAPPED = 4
"""Maps of every pair of so many dimensions; the page says which are left out."""

ALL = "all"

BEYOND = (3, 10)
"""How many times the longest horizon a map by step looks ahead."""

IS_SEARCHED = "is_searched"
"""A column that no table shows: whether the study searched a place of the grid."""


@dataclass(frozen=True)
class Slice:
    """A value of the third dimension at which a map is drawn, and the trials that are near it."""

    label: str
    value: Value | None
    """None where there is no third dimension; the step, of a map by step."""


@dataclass(frozen=True)
class PairMap:
    """P(diverge) over a pair of dimensions."""

    x: Axis
    y: Axis
    third: Axis | None
    """The dimension that the slices run through."""
    slices: tuple[Slice, ...]
    x_positions: Array
    y_positions: Array
    table: pd.DataFrame
    """Columns ``slice`` (index), ``x``, ``y`` (values), ``x_position``, ``y_position``, ``probability``, ``low``,
    ``high``; in the order slice, y, x."""

    @property
    def first(self) -> int:
        """The slice that is shown first."""
        return len(self.slices) // 2

    def grid(self, column: str, index: int) -> Array:
        """One column of one slice, (y, x)."""
        part = self.table[self.table[columns.SLICE] == index]
        return part[column].to_numpy(np.float64).reshape(len(self.y_positions), len(self.x_positions))

    @property
    def steps(self) -> list[int]:
        """Of a map by step: by when a trial has diverged, slice by slice."""
        return [int(piece.value) for piece in self.slices if isinstance(piece.value, int)]

    def slice_of(self, trials: pd.DataFrame) -> Integers:
        """For every trial the slice that it is nearest to."""
        if self.third is None:
            return np.zeros(len(trials), dtype=np.int64)
        slices = np.array([self.third.position(s.value) for s in self.slices if s.value is not None])
        positions = np.array([self.third.position(value) for value in trials[self.third.name].tolist()])
        return np.asarray(np.abs(positions[:, None] - slices[None, :]).argmin(axis=1), dtype=np.int64)


def mapped_dimensions(space: SearchSpace, importance: Sequence[str] = ()) -> list[str]:
    """The dimensions that get maps: the core ones that are searched, then the most important others."""
    searched = list(space.searched)
    core = [name for name in space.core if name in searched]
    others = sorted(
        (name for name in searched if name not in core),
        key=lambda name: importance.index(name) if name in importance else len(importance),
    )
    return [*core, *others][:MOST_MAPPED]


def pair_maps(surface: Surface, space: SearchSpace, importance: Sequence[str] = ()) -> list[PairMap]:
    """A map for every pair of the mapped dimensions; the third runs through slices, all others stand at the baseline.

    Args:
        surface: the fitted surface.
        space: its search space.
        importance: dimensions, most important first; the third of a pair is the most important one that is left.
    """
    names, axes = mapped_dimensions(space, importance), space.searched
    maps = []
    for x, y in itertools.combinations(names, 2):
        left = [name for name in names if name not in (x, y)]
        third = min(left, key=lambda n: importance.index(n) if n in importance else 99) if left else None
        maps.append(pair_map(surface, space, axes[x], axes[y], axes[third] if third else None))
    return maps


def pair_map(surface: Surface, space: SearchSpace, x: Axis, y: Axis, third: Axis | None = None) -> PairMap:
    """The map of two dimensions, along axes that may be longer than the study's own.

    Where the study did not search, there is no probability (NaN): a surface is not to be trusted there.

    Args:
        surface: the fitted surface.
        space: its search space.
        x: an axis of one of its dimensions, from left to right.
        y: of another one, from bottom to top.
        third: of a third one, which runs through slices; None for a map of one slice.
    """
    slices: tuple[Slice, ...] = (Slice(ALL, None),)
    if third is not None:
        slices = tuple(Slice(label, value) for label, value in representatives(space, third.name, MOST_SLICES))
    grid, points = _one_slice(space, x, y)
    parts = []
    for index, piece in enumerate(slices):
        there = points if third is None else points.assign(**{third.name: pd.Series([piece.value] * len(points))})
        parts.append(_predicted(grid, surface.predict(there), index))
    return PairMap(x, y, third, slices, *_positions(grid), pd.concat(parts, ignore_index=True))


def step_map(surface: Surface, space: SearchSpace, x: Axis, y: Axis) -> PairMap:
    """P(diverge by a step) over two dimensions: a slice per period of training, and some beyond the longest horizon.

    Args:
        surface: the fitted surface.
        space: its search space.
        x: an axis of one of its dimensions, from left to right.
        y: of another one, from bottom to top.
    """
    longest = surface.longest_steps
    ends = surface.timing.periods.ends if surface.timing is not None else (longest,)
    steps = [*ends, *(factor * longest for factor in BEYOND)]
    grid, points = _one_slice(space, x, y)
    parts = [_predicted(grid, surface.predict(points, step), index) for index, step in enumerate(steps)]
    slices = tuple(Slice(f"{step}{' (extrapolated)' if step > longest else ''}", step) for step in steps)
    return PairMap(x, y, None, slices, *_positions(grid), pd.concat(parts, ignore_index=True))


def _one_slice(space: SearchSpace, x: Axis, y: Axis) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The grid of a map, row by row from the bottom, and its points: all other dimensions stand at the baseline."""
    (x_positions, x_values), (y_positions, y_values) = grid_values(x, GRID), grid_values(y, GRID)
    rows = np.repeat(np.arange(len(y_values)), len(x_values))
    places = np.tile(np.arange(len(x_values)), len(y_values))
    grid = pd.DataFrame(
        {
            columns.X: pd.Series(x_values)[places].to_numpy(),
            columns.Y: pd.Series(y_values)[rows].to_numpy(),
            columns.X_POSITION: x_positions[places],
            columns.Y_POSITION: y_positions[rows],
        }
    )
    standing = baseline_point(space)
    points = pd.DataFrame({name: [value] * len(grid) for name, value in standing.items()})
    is_searched = np.ones(len(grid), dtype=bool)
    for axis, column in ((x, columns.X), (y, columns.Y)):
        inside = np.array([space.contains(axis.name, value) for value in grid[column].tolist()])
        points[axis.name] = grid[column].where(inside, standing[axis.name])
        is_searched &= inside
    return grid.assign(**{IS_SEARCHED: is_searched}), points


def _predicted(grid: pd.DataFrame, found: pd.DataFrame, index: int) -> pd.DataFrame:
    """One slice of a map's table."""
    table = grid.join(found.where(grid[IS_SEARCHED])).drop(columns=IS_SEARCHED)
    table.insert(0, columns.SLICE, index)
    return table


def _positions(grid: pd.DataFrame) -> tuple[Array, Array]:
    return grid[columns.X_POSITION].unique(), grid[columns.Y_POSITION].unique()


def grid_values(axis: Axis, count: int) -> tuple[Array, list[Value]]:
    """Evenly spaced positions along an axis with the values there: all choices, or the middles of `count` columns.

    The stretch of "off" has columns of the same width, all with that one value.
    """
    if axis.values:
        return np.array(axis.centers), list(axis.values)
    end = axis.edges[-2] if axis.has_off else axis.edges[-1]
    width = (end - axis.edges[0]) / count
    edges = axis.edges[0] + width * np.arange(count + 1)
    positions = [(low + high) / 2 for low, high in pairwise(edges.tolist())]
    values: list[Value] = [float(10**p) if axis.is_log else p for p in positions]
    if axis.has_off:
        count_off = max(1, round((axis.edges[-1] - end) / width))
        positions += [end + width * (i + 0.5) for i in range(count_off)]
        values += [math.inf] * count_off
    return np.array(positions), values
