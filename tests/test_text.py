from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stability_sweep.errors import DefinitionError, StudyError
from stability_sweep.text import LONGEST_LINE, MOST_LINES, escaped, printable, value_in_words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\x00b\nc\td\r", "a\\x00b\\nc\\td\\r"),
        ("\x9b31m\x7f", "\\x9b31m\\x7f"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
        ("μ ≤ 1e-3, naïve", "μ ≤ 1e-3, naïve"),
    ],
)
def test_control_characters_are_written_out_and_letters_stay(text: str, shown: str) -> None:
    assert escaped(text) == shown


@given(st.text(alphabet=st.characters(), max_size=1200))
def test_whatever_is_printable_is_one_short_line(text: str) -> None:
    shown = printable(text)
    assert len(shown) <= LONGEST_LINE
    assert len(shown.splitlines()) <= 1
    assert shown == escaped(shown)


def test_a_long_line_keeps_its_beginning_and_its_end() -> None:
    shown = printable(f"start{'x' * 100_000}; do this instead")
    assert shown.startswith("startxxx")
    assert "(100,022 characters in all)" in shown
    assert shown.endswith("; do this instead")


def test_an_error_is_at_most_twenty_lines_and_counts_the_rest() -> None:
    lines = str(DefinitionError(*(f"mistake {number}" for number in range(56)))).split("\n")
    assert len(lines) == MOST_LINES
    assert lines[-1] == "..., and 37 more mistakes"
    assert str(StudyError("a\nforged line\x1b[2J")) == "a\\nforged line\\x1b[2J"


def test_a_value_that_python_cannot_write_is_told_all_the_same() -> None:
    assert value_in_words(10**5000) == "<int, too large to show>"
    assert len(value_in_words("x" * 10_000)) == 100
