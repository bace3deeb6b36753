"""Figures and tables to one self-contained HTML file."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import math
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import plotly.graph_objects as go
import plotly.offline
from markupsafe import Markup

from stability_sweep import __version__
from stability_sweep.analysis import Proportion, study_axes
from stability_sweep.analysis.axes import format_value
from stability_sweep.analysis.frame import counted
from stability_sweep.data import FALLBACK_NOTICE
from stability_sweep.definition import CORE_DIMENSIONS, StudyDefinition
from stability_sweep.outcome import Outcome
from stability_sweep.report import figures
from stability_sweep.report.summary import summary_sentences
from stability_sweep.report.writing import write_atomically

NOT_VALUES = ("worker", "device", "threads", "torch_version", "failure")
"""Columns of the frame that the page's table of trials leaves out."""


@dataclass(frozen=True)
class KeyFigure:
    """One number at the top of the page."""

    value: str
    label: str
    detail: str = ""


@dataclass(frozen=True)
class Panel:
    """A figure with what it says."""

    title: str
    text: str
    figure_json: Markup
    """The Plotly figure, safe inside a script element."""


@dataclass(frozen=True)
class PageContext:
    """Everything that the template sees."""

    name: str
    description: str
    notice: str | None
    sentences: list[str]
    key_figures: list[KeyFigure]
    maps: list[Panel]
    panels: list[Panel]
    columns: list[str]
    rows: list[list[dict[str, Any]]]
    """Cells of the table of trials: ``text`` to show, ``sort`` to order by."""
    definition_json: str
    fingerprint: str
    storage: str
    version: str
    created_at: str
    plotly_gzip_base64: Markup


def write_report(
    path: Path, definition: StudyDefinition, frame: pd.DataFrame, *, asked: StudyDefinition, storage: str
) -> None:
    """Write the stability report of a study.

    Args:
        path: the HTML file. Its folder is made if need be; an older report is replaced only by a complete new one.
        definition: the study with the data set that it really used.
        frame: its trials, from `analysis.study_frame`.
        asked: the definition as written.
        storage: where the study lives, without a password.

    Raises:
        OutputError: if the file cannot be written.
    """
    context = _context(definition, frame, asked=asked, storage=storage)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("stability_sweep.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    html = environment.get_template("page.html.j2").render(asdict(context))
    write_atomically(path, html.encode("utf-8"))


def _context(definition: StudyDefinition, frame: pd.DataFrame, *, asked: StudyDefinition, storage: str) -> PageContext:
    columns = [name for name in frame.columns if name not in NOT_VALUES]
    return PageContext(
        name=definition.name,
        description=definition.description,
        notice=FALLBACK_NOTICE if definition.data.dataset != asked.data.dataset else None,
        sentences=summary_sentences(definition, frame),
        key_figures=_key_figures(frame),
        maps=_maps(definition, frame),
        panels=_panels(definition, frame),
        columns=columns,
        rows=[[_cell(row[name]) for name in columns] for row in frame.to_dict("records")],
        definition_json=json.dumps(json.loads(asked.to_json()), indent=2),
        fingerprint=asked.fingerprint,
        storage=storage,
        version=__version__,
        created_at=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        plotly_gzip_base64=_plotly_script(),
    )


def _key_figures(frame: pd.DataFrame) -> list[KeyFigure]:
    trials = counted(frame)
    share = Proportion.diverged(trials)
    low, high = share.interval
    counts = trials["outcome"].value_counts()
    failed = len(frame) - len(trials)
    return [
        KeyFigure(str(len(trials)), "trials", f"{failed} failed, not counted" if failed else ""),
        KeyFigure(
            f"{share.value:.0%}" if share.total else "-",
            "diverged",
            f"{share.count} of {share.total}; 95% interval {low:.0%} to {high:.0%}",
        ),
        *(
            KeyFigure(str(counts.get(outcome.value, 0)), outcome.value, meaning)
            for outcome, meaning in (
                (Outcome.STABLE, "finite, and it learned"),
                (Outcome.STALLED, "finite, but it hardly learned"),
                (Outcome.EXPLODED, "finite, but it ended worse than it began"),
            )
        ),
    ]


def _maps(definition: StudyDefinition, frame: pd.DataFrame) -> list[Panel]:
    axes = study_axes(definition)
    return [
        Panel(
            f"{axes[x].title} × {axes[y].title}",
            "",
            _figure_json(figures.stability_map(frame, axes[x], axes[y])),
        )
        for x, y in itertools.combinations(CORE_DIMENSIONS, 2)
    ]


def _panels(definition: StudyDefinition, frame: pd.DataFrame) -> list[Panel]:
    axes = study_axes(definition)
    rate, batch = axes["learning_rate"], axes["batch_size"]
    return [
        Panel(
            "How soon it diverges",
            "Step of divergence against learning rate. A hollow circle is a trial that was still finite at its "
            "horizon, which says nothing about later steps.",
            _figure_json(figures.divergence_steps(frame, rate, batch)),
        ),
        Panel(
            "What the loss ended at",
            "Final loss against learning rate: the price of safety is on the left, the danger on the right. Losses "
            "that are not finite lie on the dotted line.",
            _figure_json(figures.final_losses(frame, rate)),
        ),
    ]


def _figure_json(figure: go.Figure) -> Markup:
    """JSON that cannot end the script element it stands in."""
    return Markup(figure.to_json().replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


@cache
def _plotly_script() -> Markup:
    """plotly.js, compressed to a third: the page unpacks it with the browser's own DecompressionStream."""
    script = plotly.offline.get_plotlyjs().encode("utf-8")
    return Markup(base64.b64encode(gzip.compress(script, mtime=0)).decode("ascii"))


def _cell(value: Any) -> dict[str, Any]:
    if value is None or value is pd.NA:
        return {"text": "", "sort": ""}
    if isinstance(value, float):
        if math.isnan(value):
            return {"text": "", "sort": ""}
        return {
            "text": format_value(value) if math.isinf(value) and value > 0 else f"{value:.4g}",
            "sort": value,
        }
    return {"text": str(value), "sort": value}
