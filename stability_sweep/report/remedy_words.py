"""Remedies in words: how many help, and of each one what it does, how sure that is, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from stability_sweep.analysis.remedies import HARMS, HELPS, NO_EFFECT, UNDECIDED, USELESS
from stability_sweep.report.wording import plural
from stability_sweep.results import columns
from stability_sweep.results.numbers import NEVER_ON_PAGE
from stability_sweep.text import printable

Row = Mapping[Any, Any]
"""Of the table of remedies."""

_VERBS = {
    HELPS: ("helps", "help"),
    HARMS: ("harms", "harm"),
    NO_EFFECT: ("has no effect", "have no effect"),
    USELESS: ("is true but useless", "are true but useless"),
    UNDECIDED: ("lacks evidence", "lack evidence"),
}
"""What one and several of a verdict do."""


def remedies_finding(table: pd.DataFrame) -> str:
    """``Of 12 remedies 2 help, 1 harms, 3 have no effect larger than 0.1 decades, 6 lack evidence.``"""
    counts = table[columns.VERDICT].value_counts()
    largest = float(table[columns.AT_MOST_DECADES].max())
    size = "" if math.isnan(largest) else f" larger than {number(largest)} decades"
    parts = [
        f"{counts[verdict]} {one if counts[verdict] == 1 else many}{size if verdict == NO_EFFECT else ''}"
        for verdict, (one, many) in _VERBS.items()
        if verdict in counts
    ]
    return f"Of {'1 remedy' if len(table) == 1 else f'{len(table)} remedies'} {', '.join(parts)}."


def remedy_sentence(row: Row) -> str:
    """What one remedy does, with its intervals, and what it costs."""
    figures = "; ".join(filter(None, (_effect(row), _price(row), trials_in_words(row))))
    return f"{printable(row[columns.REMEDY])}{_judged(row)} {figures}."


def remedy_lines(row: Row) -> list[str]:
    """All figures of a remedy, one a line; what is not known is left out."""
    more = more_in_words(row)
    figures = {
        f"learning rate × {factor(row)}: {{}} decades": shift_in_words(row),
        "P(diverge): {} points": change_in_words(row),
        "hazard × {}": hazard_in_words(row),
        "yardstick {} at equal images": yardstick_in_words(row),
        "learning speed × {}": speed_in_words(row),
        "time per image × {}": seconds_in_words(row),
    }
    known = [words.format(figure) for words, figure in figures.items() if figure]
    return [f"{row[columns.VERDICT]}{more and f'; {more}'}", *known, trials_in_words(row)]


def shift_in_words(row: Row) -> str:
    """``0.32 (0.12 to 0.55)``, in decades; empty where that is not known, as all the next ones are."""
    return with_interval(row, columns.SHIFT_DECADES, columns.LOW, columns.HIGH)


def change_in_words(row: Row) -> str:
    """``-12 (-19 to -5)``, in percentage points."""
    names = (columns.CHANGE_OF_PROBABILITY, columns.LOW_PROBABILITY, columns.HIGH_PROBABILITY)
    return with_interval(row, *names, of=points)


def yardstick_in_words(row: Row) -> str:
    """``+0.4 (0.1 to 0.8)``: by how much it is worse."""
    said = with_interval(row, columns.PRICE, columns.PRICE_LOW, columns.PRICE_HIGH)
    return f"+{said}" if said and row[columns.PRICE] > 0 else said


def hazard_in_words(row: Row) -> str:
    """``0.4 (0.2 to 0.8)``: hazard of divergence, with by without."""
    return with_interval(row, columns.HAZARD_RATIO, columns.HAZARD_LOW, columns.HAZARD_HIGH)


def speed_in_words(row: Row) -> str:
    """``0.95 (0.9 to 1.01)``: how fast training learns, with by without."""
    return with_interval(row, columns.SPEED_RATIO, columns.SPEED_LOW, columns.SPEED_HIGH)


def seconds_in_words(row: Row) -> str:
    """``1.02 (0.99 to 1.05)``: time per image, with by without."""
    return with_interval(row, columns.SECONDS_RATIO, columns.SECONDS_LOW, columns.SECONDS_HIGH)


def more_in_words(row: Row) -> str:
    """``about 400 more trials would tell``; empty where none are needed, or nobody can say how many."""
    count = more_count(row)
    return count and f"about {count} more {'trial' if count == '1' else 'trials'} would tell"


def more_count(row: Row) -> str:
    """``400``, ``10,000``; empty where none are needed, or nobody can say how many."""
    more = float(row[columns.MORE_TRIALS])
    return f"{more:,.0f}" if math.isfinite(more) else ""


def trials_in_words(row: Row) -> str:
    """``12 of 60 trials diverged, 58 pairs``; at an end of a range there may be none, and a slope through all tells."""
    if not row[columns.TRIALS]:
        return "no trial stands at that very value"
    trials, pairs = plural(int(row[columns.TRIALS]), "trial"), int(row[columns.PAIRS])
    paired = f", {plural(pairs, 'pair')}" if pairs else ""
    return f"{int(row[columns.DIVERGED])} of {trials} diverged{paired}"


def factor(row: Row) -> str:
    """By how much larger the learning rate may be."""
    return number(10.0 ** float(row[columns.SHIFT_DECADES]))


def number(value: float) -> str:
    """Two digits, and no exponent for what people call a number."""
    return f"{value:,.0f}" if 100 <= abs(value) < math.inf else f"{value + 0.0:.2g}"


def points(share: float) -> str:
    """A change of a probability in percentage points: ``-12``, ``+0.4``."""
    if math.isinf(share):
        return str(share)
    size = 100 * share
    rounded = round(size, 0 if abs(size) >= 1 else 1)
    return f"{rounded:+g}" if rounded else "0"


def with_interval(row: Row, middle: str, low: str, high: str, of: Callable[[float], str] = number) -> str:
    """``0.32 (0.12 to 0.55)``; without an interval the number alone, and empty where not even that is known.

    Args:
        row: of a table.
        middle: the number's column.
        low: of the interval's ends.
        high: the other.
        of: how a number is written.
    """
    value, start, end = (float(row[name]) for name in (middle, low, high))
    if math.isnan(value):
        return ""
    return of(value) if math.isnan(start) or math.isnan(end) else f"{of(value)} ({of(start)} to {of(end)})"


def or_dash(text: str) -> str:
    """A cell of a table."""
    return text or NEVER_ON_PAGE


def _judged(row: Row) -> str:
    """What stands between a remedy and its figures: `` helps:``, ``: not enough evidence, about 400 more ...;``."""
    verdict, largest, more = row[columns.VERDICT], float(row[columns.AT_MOST_DECADES]), more_in_words(row)
    if verdict == UNDECIDED:
        return f": {verdict}{more and f', {more}'};"
    if verdict == NO_EFFECT:
        return f" has no effect{'' if math.isnan(largest) else f' larger than {number(largest)} decades'}:"
    if verdict == USELESS:
        return f" is {verdict} (nearly every trial under it hardly learned):"
    return f" {verdict}:"


def _effect(row: Row) -> str:
    """``it allows a 2.1 times larger learning rate (0.32 decades, 95% interval 0.12 to 0.55), P(diverge) -12 ...``."""
    parts = []
    shift, change = float(row[columns.SHIFT_DECADES]), change_in_words(row)
    if not math.isnan(shift):
        low, high = (number(float(row[name])) for name in (columns.LOW, columns.HIGH))
        parts.append(f"{_rate(row)} ({number(shift)} decades, 95% interval {low} to {high})")
    if change:
        said = change if parts else change.replace("(", "(95% interval ")
        value, _, interval = said.partition(" ")
        parts.append(f"P(diverge) {value} percentage points{interval and f' {interval}'}")
    return ", ".join(parts)


def _rate(row: Row) -> str:
    shift, verdict = float(row[columns.SHIFT_DECADES]), row[columns.VERDICT]
    if verdict in (NO_EFFECT, UNDECIDED):
        return f"the safe learning rate changes by a factor of {factor(row)}"
    if shift >= 0:
        return f"it allows a {factor(row)} times larger learning rate"
    return f"it needs a {number(10.0**-shift)} times smaller learning rate"


def _price(row: Row) -> str:
    yardstick, seconds = yardstick_in_words(row), row[columns.SECONDS_RATIO]
    parts = [f"yardstick {yardstick} at equal images"] if yardstick else []
    if not math.isnan(seconds):
        times = f"{float(seconds):.3g}"
        parts.append("the same time" if times == "1" else f"{times} times the time")
    if row[columns.SPEED_LOW] > 1 or row[columns.SPEED_HIGH] < 1:  # what may be none is in the table
        parts.append(f"learning {number(float(row[columns.SPEED_RATIO]))} times as fast")
    return f"price: {', '.join(parts)}" if parts else "price not measured"
