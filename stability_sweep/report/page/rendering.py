"""From a page's context to one self-contained HTML file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2
import plotly.graph_objects as go
import plotly.offline
from markupsafe import Markup

from stability_sweep.report.files.writing import write_output
from stability_sweep.report.page.context import PageContext
from stability_sweep.report.page.payload import Payload, packed
from stability_sweep.report.page.still import main_map, still_picture
from stability_sweep.report.theme import DARK


def write_page(path: Path, context: PageContext) -> None:
    """Render the page and write it.

    Raises:
        OutputError: if the file cannot be written; an older one stays until a new one is complete.
    """
    write_output(path, rendered(context).encode("utf-8"))


def rendered(context: PageContext) -> str:
    """The page's HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("stability_sweep.report.page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "figure_json": figure_json,
        "packed": _packed,
        "main_map": main_map,
        "still_picture": still_picture,
    }
    return environment.get_template("page.html.j2").render(
        page=context, plotly_gzip_base64=plotly_script(), dark_colors=DARK
    )


def figure_json(figure: go.Figure) -> Markup:
    """JSON that cannot end the script element it stands in."""
    return Markup(figure.to_json().replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


@cache
def plotly_script() -> Markup:
    """plotly.js, compressed to a third."""
    return Markup(packed(plotly.offline.get_plotlyjs().encode("utf-8")))


def _packed(payload: Payload) -> Markup:
    return Markup(payload.packed())
