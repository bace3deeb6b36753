"""A table of remedies with plausible numbers, for what is drawn and said of one."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pandas as pd

from stability_sweep.analysis.remedies import COLUMNS, HARMS, HELPS, NO_EFFECT, UNDECIDED, USELESS, Remedies

NAN = math.nan
NOTE = (
    "Paired: the same points and seeds with and without it. The intervals hold for all 12 levels at once, 95%. "
    "Baseline: warmup steps 0, batch size 64, clip norm off; within 400 steps."
)

# Dimension, level, baseline, decades (with interval), points, verdict, price, time, diverged, more trials, at most.
_BY_HAND: list[tuple[Any, ...]] = [
    ("warmup steps", 200, 0, (0.32, 0.12, 0.55), (-12, -19, -5), HELPS, (0.4, 0.1, 0.8), 1.02, 12, NAN, NAN),
    ("clip norm", 1, "off", (0.24, 0.05, 0.44), (-9, -16, -2), HELPS, (0.1, -0.2, 0.5), 1.01, 15, NAN, NAN),
    ("learning rate of the decoder, times", 0.001, 1, (1.9, 0.9, 4.1), (-31, -42, -20), USELESS, (22, 19, 25), 1, 1,
     NAN, NAN),
    ("hamiltonian gradient cap", 10, "off", (0.19, -0.04, 0.4), (-7, -14, 1), UNDECIDED, (-0.3, -0.9, 0.3), 1.24, 17,
     400, NAN),
    ("adaptive clipping with a bound on every unit's gradient relative to its weight", "agc", "off", (0.11, -0.2, 0.42),
     (-4, -13, 5), UNDECIDED, (0.9, 0.2, 1.6), 1.11, 19, 900, NAN),
    ("batch size", 16, 64, (0.08, -0.35, 0.5), (-3, -14, 8), UNDECIDED, (NAN, NAN, NAN), 3.4, 20, 1500, NAN),
    ("outlier gradient", "skip", "off", (0.02, -0.06, 0.1), (-1, -4, 2), NO_EFFECT, (0, -0.3, 0.3), 1.01, 21, NAN, 0.1),
    ("metric condition cap", 100, "off", (0, -0.07, 0.08), (0, -3, 3), NO_EFFECT, (0.2, -0.1, 0.5), 1.3, 22, NAN, 0.08),
    ("rollback allowance", 2, 0, (-0.01, -0.09, 0.07), (0.4, -3, 4), NO_EFFECT, (0.1, -0.3, 0.5), 1.05, 22, NAN, 0.09),
    ("spike restart steps", 50, 0, (-0.05, -0.4, 0.3), (2, -9, 13), UNDECIDED, (0.5, -0.1, 1.1), 1.0, 23, 1100, NAN),
    ("temperature", 1.5, 1, (NAN, NAN, NAN), (3, -20, 26), UNDECIDED, (NAN, NAN, NAN), NAN, 24, NAN, NAN),
    ("leapfrog steps", 9, 3, (-0.41, -0.7, -0.15), (15, 6, 24), HARMS, (-0.6, -1.1, -0.1), 2.7, 33, NAN, NAN),
]  # fmt: skip


def remedies_by_hand(count: int = 12, *, has_rate: bool = True, has_price: bool = True) -> Remedies:
    """So many remedies; of more than twelve, some come again under another value."""
    some = itertools.islice(itertools.cycle(_BY_HAND), count)
    rows = [_row(place // len(_BY_HAND), *each) for place, each in enumerate(some)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    if not has_rate:
        table[["shift_decades", "low", "high", "at_most_decades"]] = NAN
    if not has_price:
        table[[name for name in COLUMNS if name.startswith(("price", "speed", "seconds"))]] = NAN
    return Remedies(table, NOTE)


def _row(again: int, name: str, level: Any, baseline: Any, shift: Any, change: Any, verdict: str, *rest: Any) -> Any:
    price, seconds, diverged, more, at_most = rest
    remedy = f"{name} {level}{again * '0'} instead of {baseline}"
    hazard = [10 ** (-each * 1.5) for each in (shift[0], shift[2], shift[1])]
    speed = (0.97, 0.9, 1.04)
    around = (seconds, 0.98 * seconds, 1.02 * seconds)
    changes = [each / 100 for each in change]
    return (
        remedy, f"training.{name}", str(level), str(baseline), *shift, *changes, *hazard, verdict, *price, *speed,
        *around, 60, diverged, 58, more, at_most,
    )  # fmt: skip
