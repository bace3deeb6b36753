"""Two-level fractions of resolution IV: every remedy on in half of the runs, in few runs.

With 1 for "off" and -1 for "on", a remedy is a column and a run is a row. The columns are those of Sylvester's Hadamard
matrix, whose entry in row i and column j is -1 to the number of ones that i and j share in binary. Folded over, every
row again with all signs turned (Box and Wilson 1951, doi:10.1111/j.2517-6161.1951.tb00067.x), a column is orthogonal to
every other one and to the product of any two: main effects are clear of each other and of interactions of two. The
product of the columns i and j is the matrix's column i XOR j in both halves, so two such products are either orthogonal
or the same: *aliased*.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

MOST_ALIASES_NAMED = 3
"""So many groups of aliased interactions are named; of the others it is said how many there are."""


def fraction(remedies: int) -> list[tuple[bool, ...]]:
    """Which remedies are on in each run, by run; in the first none is.

    A run and its mirror image are neighbours, so that a fraction which is cut short has every remedy on and off.

    Args:
        remedies: how many, 1 or more.

    Returns:
        Twice as many runs as the smallest power of two that is not below the number of remedies; all differ.
    """
    order = 1 << (remedies - 1).bit_length()
    rows = [tuple((row & column).bit_count() % 2 == 1 for column in range(remedies)) for row in range(order)]
    return [run for row in rows for run in (row, tuple(not is_on for is_on in row))]


def aliased_interactions(remedies: int) -> list[list[tuple[int, int]]]:
    """Interactions of two that cannot be told apart, as pairs of indices of remedies; each list is one such group."""
    groups: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for first, second in combinations(range(remedies), 2):
        groups[first ^ second].append((first, second))
    return [pairs for pairs in groups.values() if len(pairs) > 1]


def aliases_in_words(names: Sequence[str]) -> str:
    """What a fraction can tell and what it cannot, in a sentence.

    Args:
        names: of its remedies, in their order.
    """
    clear = "main effects are clear of each other and of interactions of two"
    groups = [
        " with ".join(f"{names[first]} x {names[second]}" for first, second in pairs)
        for pairs in aliased_interactions(len(names))
    ]
    if not groups:
        return f"{clear}, and these of each other"
    more = len(groups) - MOST_ALIASES_NAMED
    named = ", ".join(groups[:MOST_ALIASES_NAMED]) + (f", and {more} more such groups" if more > 0 else "")
    return f"{clear}; these are aliased with each other: {named}"
