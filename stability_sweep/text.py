"""Text from outside (files, databases, arguments, drivers) as it may be shown: no control characters, no end of it.

Whatever shows such a text passes it through here: errors do it by themselves, the command line with every line that
it prints, the log with every message, and CSV cells with `escaped`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MOST_LINES = 20
"""So many lines are shown of one message."""

LONGEST_LINE = 300
"""So many characters are shown of one line."""

LONGEST_VALUE = 100
"""So many are shown of a value in the middle of a line."""

_TAIL_SHARE = 1 / 3
"""Of what is kept of a longer text, so much is its end: the end of a message says what to do."""

# C0 with escape, tab and line breaks; DEL and C1; what reorders or hides a line's letters; and halves of UTF-16 pairs,
# which no terminal can print.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def escaped(text: str) -> str:
    r"""A text without control characters: they are written as ``\x1b``, ``\n``, ``\u202e``."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def printable(text: object, longest: int = LONGEST_LINE) -> str:
    """Anything as one line that may be shown: escaped, and at most so many characters (at least 60) long.

    What lies in the middle of a longer one is left out.
    """
    raw = str(text)
    if len(raw) <= longest and len(whole := escaped(raw)) <= longest:
        return whole
    note = f" ... ({len(raw):,} characters in all) ... "
    kept = longest - len(note)
    tail = round(kept * _TAIL_SHARE)
    return escaped(raw[:kept])[: kept - tail] + note + escaped(raw[-kept:])[-tail:]


def printable_lines(texts: Iterable[object], *, of_what: str = "lines") -> list[str]:
    """Several lines that may be shown: the first 20, or 19 and how many more there are.

    Args:
        texts: one line each.
        of_what: what the lines are, in the plural.
    """
    lines = list(texts)
    if len(lines) <= MOST_LINES:
        return [printable(line) for line in lines]
    shown = lines[: MOST_LINES - 1]
    return [*(printable(line) for line in shown), f"..., and {len(lines) - len(shown):,} more {of_what}"]


def value_in_words(value: object) -> str:
    """A value as Python writes it, in at most a hundred characters; for messages that tell what came."""
    try:
        return printable(repr(value), LONGEST_VALUE)
    except (ValueError, RecursionError):  # a number of thousands of digits, lists in lists in lists
        return f"<{type(value).__name__}, too large to show>"
