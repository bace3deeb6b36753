"""The charts of the benchmarks that the docs show, drawn with Plotly and photographed with Chromium."""

from __future__ import annotations

import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

COLORS = {"ours_ms": "#1b6ca8", "pythae_ms": "#c4572e", "floor_ms": "#8a8a8a"}
LABELS = {"ours_ms": "stability-sweep", "pythae_ms": "pythae 0.1.2", "floor_ms": "matrix products alone"}


def step_figure(numbers: dict[str, Any]) -> go.Figure:
    """Milliseconds per step against the batch size, both on logarithmic axes; dashed for three leapfrog steps."""
    result = go.Figure()
    rows = [row for row in numbers["rows"] if row["device"] == "cpu"]
    for n_lf, dash in zip(sorted({row["n_lf"] for row in rows}), ("solid", "dash", "dot"), strict=False):
        own = [row for row in rows if row["n_lf"] == n_lf]
        for name, label in LABELS.items():
            median = [statistics.median(row[name]) for row in own]
            result.add_scatter(
                x=[row["batch"] for row in own],
                y=median,
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [max(row[name]) - value for row, value in zip(own, median, strict=True)],
                    "arrayminus": [value - min(row[name]) for row, value in zip(own, median, strict=True)],
                },
                name=f"{label}, K = {n_lf}",
                line={"color": COLORS[name], "dash": dash},
            )
    batches = sorted({row["batch"] for row in rows})
    result.update_layout(
        template="plotly_white",
        title=f"One training step on {numbers['threads']} threads: median, smallest and largest run",
        xaxis={"type": "log", "title": "batch size", "tickvals": batches, "ticktext": [str(b) for b in batches]},
        yaxis={"type": "log", "title": "milliseconds per step", "dtick": 1},
        font={"size": 14},
    )
    return result


SAMPLER_COLORS = {
    "boundary": "#c4572e", "qmc": "#1b6ca8", "random": "#8a8a8a", "grid": "#2e8b57", "tpe": "#8e5ea2", "gp": "#b8860b",
}  # fmt: skip


def sampler_figure(rows: pd.DataFrame, *, workers: int = 1) -> go.Figure:
    """Share of the space on the wrong side against the number of trials, one panel per boundary.

    Args:
        rows: what `benchmarks.sampler` measured.
        workers: of the studies that are drawn.
    """
    rows = rows[rows["workers"] == workers]
    boundaries = list(dict.fromkeys(rows["boundary"]))
    first = rows.groupby("sampler")["boundary"].first()
    columns = 4
    result = make_subplots(
        rows=-(-len(boundaries) // columns), cols=columns, subplot_titles=boundaries,
        horizontal_spacing=0.05, vertical_spacing=0.13,
    )  # fmt: skip
    for place, boundary in enumerate(boundaries):
        for sampler in [name for name in SAMPLER_COLORS if name in set(rows["sampler"])]:
            color = SAMPLER_COLORS[sampler]
            own = rows[(rows["boundary"] == boundary) & (rows["sampler"] == sampler)].groupby("trials")["wrong_side"]
            median, low, high = own.median() * 100, own.quantile(0.25) * 100, own.quantile(0.75) * 100
            result.add_scatter(
                x=median.index, y=median, name=sampler, legendgroup=sampler, showlegend=boundary == first[sampler],
                line={"color": color, "width": 3 if sampler == "boundary" else 1.5},
                error_y={"symmetric": False, "array": high - median, "arrayminus": median - low, "thickness": 0.8},
                row=place // columns + 1, col=place % columns + 1,
            )  # fmt: skip
    ticks = [0.2, 0.5, 1, 2, 5, 10, 20]
    result.update_xaxes(type="log", tickvals=[32, 64, 128, 256])
    result.update_yaxes(type="log", tickvals=ticks, range=[-0.7, 1.3])
    result.update_layout(
        template="plotly_white",
        title="Percent of the space on the wrong side of the 50% line, against trials: median and quartiles",
        legend={"orientation": "h", "y": -0.06},
        font={"size": 13},
        margin={"l": 40, "r": 20, "t": 80},
    )
    return result


def draw_chart(figure: go.Figure, path: Path, *, height: int = 520) -> None:
    """Write the chart as PNG; where there is no Chromium, say so and write it as HTML beside that place."""
    browser = shutil.which("chromium")
    if browser is None:
        page = path.with_suffix(".html")
        figure.write_html(page, include_plotlyjs=True)
        print(f"no chromium here: the chart is {page}")
        return
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = Path(folder) / "chart.html"
        figure.write_html(page, include_plotlyjs=True)
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        tab = chromium.new_page(viewport={"width": 1000, "height": height})
        tab.goto(page.as_uri())
        tab.wait_for_selector(".main-svg")
        tab.screenshot(path=path)
        chromium.close()
