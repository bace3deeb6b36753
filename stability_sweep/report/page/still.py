"""A still picture of the main map, in plain SVG: for who reads the page without scripts, and until they have run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.colors import sample_colorscale

from stability_sweep.report.blocks import Exhibit, Section
from stability_sweep.typing import Array

WIDTH, HEIGHT = 560, 420
LEFT, RIGHT, TOP, BOTTOM = 84, 12, 52, 52

SHADES = 10
"""Steps of probability: cells of one shade that lie side by side are one rectangle."""

MOST_MARKS = 250
"""Trials in the picture; of more, every so many-th."""

LEGEND_GAP = 22
LETTER = 7
"""Pixels of a letter, roughly."""

PATHS = {"x": "m-4-4l8 8m0-8l-8 8", "square": "m-3-3h6v6h-6z", "diamond": "m0-4l4 4l-4 4l-4-4z"}
CIRCLE = "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z"


def main_map(sections: Iterable[Section]) -> Exhibit | None:
    """The first exhibit that is a map."""
    exhibits = (exhibit for section in sections for exhibit in section.exhibits)
    return next((exhibit for exhibit in exhibits if exhibit.figure is not None and _heat(exhibit.figure)), None)


def still_picture(exhibit: Exhibit) -> Markup:
    """The map as it is shown first."""
    figure = exhibit.figure
    heat = None if figure is None else _heat(figure)
    if figure is None or heat is None:
        raise ValueError(f"expected a map, got {exhibit.title!r}")
    frame = _Frame.of(figure.layout)
    parts = [*_cells(heat, frame), *_marks(_shown(figure), frame), *_axes(figure.layout, frame), *_legend(figure)]
    label = escape(f"{exhibit.title}: how often training diverges, a still picture")
    return Markup(
        f'<svg class="still" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}" font-size="13" '
        f'font-family="sans-serif" fill="currentColor">{"".join(parts)}</svg>'
    )


@dataclass(frozen=True)
class _Frame:
    """Where the values of the axes lie in the picture."""

    x: tuple[float, float]
    y: tuple[float, float]

    @classmethod
    def of(cls, layout: Any) -> _Frame:
        return cls(tuple(layout.xaxis.range), tuple(layout.yaxis.range))

    def left(self, value: float) -> int:
        part = (value - self.x[0]) / (self.x[1] - self.x[0])
        return round(LEFT + min(max(part, 0.0), 1.0) * (WIDTH - LEFT - RIGHT))

    def top(self, value: float) -> int:
        part = (value - self.y[0]) / (self.y[1] - self.y[0])
        return round(HEIGHT - BOTTOM - min(max(part, 0.0), 1.0) * (HEIGHT - TOP - BOTTOM))


def _heat(figure: go.Figure) -> Any | None:
    return next((trace for trace in _shown(figure) if trace.type == "heatmap"), None)


def _shown(figure: go.Figure) -> list[Any]:
    return [trace for trace in figure.data if trace.visible is not False]


def _edges(positions: Sequence[float], cells: int) -> Array:
    """The edges of cells that are told by their edges or by their centers."""
    places = np.asarray(positions, dtype=np.float64)
    if len(places) == cells + 1:
        return places
    if cells == 1:
        return np.array([places[0] - 0.5, places[0] + 0.5])
    between = (places[:-1] + places[1:]) / 2
    return np.concatenate([[2 * places[0] - between[0]], between, [2 * places[-1] - between[-1]]])


def _cells(heat: Any, frame: _Frame) -> Iterator[str]:
    """Rows of rectangles, and the line around what diverges more often than not."""
    grid = np.array([[np.nan if value is None else value for value in row] for row in heat.z], dtype=np.float64)
    lefts = [frame.left(edge) for edge in _edges(heat.x, grid.shape[1]).tolist()]
    tops = [frame.top(edge) for edge in _edges(heat.y, grid.shape[0]).tolist()]
    shades = np.nan_to_num(np.clip(grid * SHADES, 0, SHADES - 1).round(9), nan=-1).astype(np.int64)
    scale = [[place, color] for place, color in heat.colorscale]
    colors = sample_colorscale(scale, [(shade + 0.5) / SHADES for shade in range(SHADES)])
    paths: dict[int, list[str]] = {}
    for row, line in enumerate(shades.tolist()):
        starts = [place for place, shade in enumerate(line) if place == 0 or shade != line[place - 1]]
        for start, end in zip(starts, [*starts[1:], len(line)], strict=True):
            runs = paths.setdefault(line[start], [])
            runs.append(f"M{lefts[start]} {tops[row + 1]}H{lefts[end]}V{tops[row]}H{lefts[start]}z")
    for shade, runs in paths.items():
        if shade >= 0:
            yield f'<path shape-rendering="crispEdges" fill="{colors[shade]}" d="{"".join(runs)}"/>'
    yield f'<path d="{_half_line(grid > 0.5, lefts, tops)}" stroke="#374151" stroke-width="2" fill="none"/>'


def _half_line(likely: np.typing.NDArray[np.bool_], lefts: list[int], tops: list[int]) -> str:
    """The edges between cells on either side of one half."""
    across = [f"M{lefts[x + 1]} {tops[y]}V{tops[y + 1]}" for y, x in np.argwhere(likely[:, 1:] != likely[:, :-1])]
    along = [f"M{lefts[x]} {tops[y + 1]}H{lefts[x + 1]}" for y, x in np.argwhere(likely[1:] != likely[:-1])]
    return "".join([*across, *along])


def _marks(traces: list[Any], frame: _Frame) -> Iterator[str]:
    """The trials, one path for all of a color."""
    paths: dict[str, list[str]] = {}
    for trace in traces:
        if trace.type != "scatter" or trace.mode != "markers" or trace.x is None:
            continue
        places = [place for place, value in enumerate(trace.x) if value is not None]
        for place in places[:: max(1, -(-len(places) // MOST_MARKS))]:
            color, symbol = (_of_point(values, place) for values in (trace.marker.color, trace.marker.symbol))
            here = f"M{frame.left(trace.x[place])} {frame.top(trace.y[place])}{PATHS.get(symbol, CIRCLE)}"
            paths.setdefault(color, []).append(here)
    for color, marks in paths.items():
        yield f'<path d="{"".join(marks)}" fill="{escape(color)}" stroke="{escape(color)}" stroke-width="1.6"/>'


def _of_point(values: Any, place: int) -> str:
    return str(values if values is None or isinstance(values, str) else values[place])


def _axes(layout: Any, frame: _Frame) -> Iterator[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    yield f'<path d="M{LEFT} {TOP}V{bottom}H{right}" stroke="#9ca3af" fill="none"/>'
    for value, text in zip(layout.xaxis.tickvals or (), layout.xaxis.ticktext or (), strict=False):
        yield f'<text x="{frame.left(value)}" y="{bottom + 18}" text-anchor="middle">{escape(_short(text))}</text>'
    for value, text in zip(layout.yaxis.tickvals or (), layout.yaxis.ticktext or (), strict=False):
        yield f'<text x="{LEFT - 7}" y="{frame.top(value) + 4}" text-anchor="end">{escape(_short(text))}</text>'
    middle, center = (LEFT + right) / 2, (TOP + bottom) / 2
    x_title, y_title = (escape(str(axis.title.text or "")) for axis in (layout.xaxis, layout.yaxis))
    yield f'<text x="{middle:g}" y="{HEIGHT - 12}" text-anchor="middle">{x_title}</text>'
    yield f'<text transform="translate(16 {center:g})rotate(-90)" text-anchor="middle">{y_title}</text>'


def _short(text: Any) -> str:
    return str(text) if len(str(text)) <= 9 else f"{str(text)[:8]}…"


def _legend(figure: go.Figure) -> Iterator[str]:
    """What the shades and the marks mean."""
    yield '<text x="0" y="14">Pale: diverged rarely; dark: diverged often. The line is 50%.</text>'
    x = 6
    for trace in figure.data:
        if trace.name and trace.type == "scatter" and trace.mode == "markers":
            color = escape(_of_point(trace.marker.color, 0))
            path = PATHS.get(_of_point(trace.marker.symbol, 0), CIRCLE)
            yield f'<path d="M{x} 33{path}" fill="{color}" stroke="{color}"/>'
            yield f'<text x="{x + 8}" y="37">{escape(trace.name)}</text>'
            x += LEGEND_GAP + LETTER * len(trace.name)
