"""The report for programs: one JSON object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from stability_sweep import __version__
from stability_sweep.analysis import Analysis, table_names
from stability_sweep.analysis.remedies import Remedies
from stability_sweep.report.answer_words import answer_json
from stability_sweep.report.cells import json_number, plain_columns
from stability_sweep.report.files.writing import write_output
from stability_sweep.report.summary import summary_sentences
from stability_sweep.results import columns
from stability_sweep.results.numbers import DIGITS


def report_json(analysis: Analysis) -> dict[str, Any]:
    """Every table of a report but the maps' grids; numbers that are not finite are texts: see `results.numbers`."""
    tables = {name: table for name, table in analysis.tables().items() if not table_names.is_map(name)}
    return {
        "study": analysis.study.name,
        "version": __version__,
        "answer": answer_json(analysis.answer, analysis.study),
        "summary": summary_sentences(analysis),
        "tolerance": analysis.tolerance,
        "effects_note": analysis.effects.note,
        **remedies_json(analysis.remedies),
        "claims": json_rows(analysis.claims.rename(columns={columns.CLAIM: "says"}), digits=DIGITS),
        "tables": {name: json_rows(table, digits=DIGITS) for name, table in tables.items()},
    }


def remedies_json(remedies: Remedies) -> dict[str, Any]:
    """The remedies, the most helpful first, and what their numbers rest on."""
    return {"remedies": json_rows(remedies.table, digits=DIGITS), "remedies_note": remedies.note}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write what `report_json` gives, or another JSON object, to a file.

    Raises:
        OutputError: if it cannot be written.
    """
    write_output(path, json.dumps(content, indent=1, allow_nan=False).encode("utf-8"))


def json_rows(table: pd.DataFrame, *, digits: int | None = None) -> list[dict[str, Any]]:
    """A table as JSON objects, one per row.

    Args:
        table: of the analysis, or the trials.
        digits: of a number that is not whole; None for all that it has.
    """
    plain = plain_columns(table)
    rows = zip(*plain.values(), strict=True)
    return [{name: json_number(value, digits) for name, value in zip(plain, row, strict=True)} for row in rows]
