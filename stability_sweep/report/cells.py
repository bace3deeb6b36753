"""Values of tables as files, scripts and people read them. NaN, infinity and "never measured" stay three things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from stability_sweep.results.numbers import NEVER_ON_PAGE, json_value, shown
from stability_sweep.results.outcome import LOSS_FIELDS
from stability_sweep.space.off import OFF, is_off
from stability_sweep.text import printable

LONG_NUMBER = 1e6
"""A number below it is written out, if a few digits after the point are all that it has."""


def plain_columns(table: pd.DataFrame) -> dict[str, list[Any]]:
    """The columns of a table as Python values; None is what was never measured, or is not known.

    In a table of the analysis NaN says "not known". Only the losses of the trials' table (from `with_gaps`) tell the
    two apart, and keep their NaN.
    """
    return {str(name): _plain(table[name], keeps_nan=name in LOSS_FIELDS) for name in table.columns}


def _plain(column: pd.Series[Any], *, keeps_nan: bool) -> list[Any]:
    values = column.tolist()
    if keeps_nan and column.dtype == object:
        return [None if value is pd.NA else value for value in values]
    gaps = column.isna().to_numpy(dtype=bool)
    return [None if gap else value for gap, value in zip(gaps, values, strict=True)] if gaps.any() else values


def json_number(value: Any, digits: int | None = None) -> Any:
    """A JSON value: a number with so many digits, one that is not finite as a text; None is null."""
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, float) or digits is None:
        return json_value(value)
    if abs(value) < LONG_NUMBER and value == round(value, digits):
        return value
    return json_value(float(f"{value:.{digits}g}"))


def cell_texts(table: pd.DataFrame, columns: Mapping[str, bool]) -> list[list[str]]:
    """The rows of a table as people read them.

    Args:
        table: of the analysis, or the trials.
        columns: those that are shown, in order; whether each is a dimension.
    """
    plain = plain_columns(table[list(columns)])
    cells = [[cell_text(value, dimension=is_dimension) for value in plain[n]] for n, is_dimension in columns.items()]
    return [list(row) for row in zip(*cells, strict=True)]


def cell_text(value: Any, *, dimension: bool = False) -> str:
    """A value in a table of the page: four digits; a dash for what is not known, "off" for an infinite dimension."""
    if isinstance(value, np.generic):
        value = value.item()
    if dimension and is_off(value):
        return OFF
    if value is None or isinstance(value, float):
        return shown(value, never=NEVER_ON_PAGE)
    return printable(str(value).replace("_", " "))
