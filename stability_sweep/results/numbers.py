"""How a number that is not finite, and a value that nobody measured, are spelled: one spelling each, on every surface.

| | NaN | infinities | never measured, or not known |
|---|---|---|---|
| JSON | the text ``"nan"`` | the texts ``"inf"`` and ``"-inf"`` | ``null`` |
| CSV | ``nan`` | ``inf``, ``-inf`` | an empty field |
| page | nan | inf, -inf | – |
| terminal | nan | inf, -inf | - |

People read "off" where a *dimension* is infinite (`space.axes.format_value`), and nowhere else; programs read inf
there as well. Here None stands for what was never measured; `report.cells.plain_columns` makes it of what pandas has.
"""

from __future__ import annotations

import math
from typing import Any

NEVER_ON_PAGE = "–"
NEVER_ON_TERMINAL = "-"
NEVER_IN_CSV = ""

DIGITS = 4
"""Of a number that people read."""


def spelled(value: float) -> str | None:
    """``nan``, ``inf`` or ``-inf``; None for a finite number."""
    return None if math.isfinite(value) else str(float(value))


def json_value(value: Any) -> Any:
    """A value as JSON can hold it; only a number that is not finite changes."""
    return (spelled(value) or value) if isinstance(value, float) else value


def shown(value: float | None, *, digits: int = DIGITS, never: str = NEVER_ON_TERMINAL) -> str:
    """A number as people read it: ``12.35``, ``nan``, ``-inf``, or the sign for what was never measured."""
    return never if value is None else f"{value:.{digits}g}"
