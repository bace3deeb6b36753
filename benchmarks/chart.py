"""The chart of the step benchmark that the docs show, drawn with Plotly and photographed with Chromium."""

from __future__ import annotations

import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

COLORS = {"ours_ms": "#1b6ca8", "pythae_ms": "#c4572e", "floor_ms": "#8a8a8a"}
LABELS = {"ours_ms": "stability-sweep", "pythae_ms": "pythae 0.1.2", "floor_ms": "matrix products alone"}


def figure(numbers: dict[str, Any]) -> go.Figure:
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


def draw_chart(numbers: dict[str, Any], path: Path) -> None:
    """Write the chart as PNG; where there is no Chromium, say so and write it as HTML beside that place."""
    browser = shutil.which("chromium")
    if browser is None:
        page = path.with_suffix(".html")
        figure(numbers).write_html(page, include_plotlyjs=True)
        print(f"no chromium here: the chart is {page}")
        return
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = Path(folder) / "chart.html"
        figure(numbers).write_html(page, include_plotlyjs=True)
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        tab = chromium.new_page(viewport={"width": 1000, "height": 520})
        tab.goto(page.as_uri())
        tab.wait_for_selector(".main-svg")
        tab.screenshot(path=path)
        chromium.close()
