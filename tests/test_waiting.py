"""Tests wait for states: none of them asserts how fast the machine is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.waiting import HANG_SECONDS

CLOCKS = {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time", "time", "time_ns"}
WAITS = {"communicate", "join", "wait"}
SHORT_SECONDS = 120.0
"""A shorter limit is none that a busy machine always keeps."""

MAY_READ_THE_CLOCK = {Path("waiting.py")}
"""The waiting itself, which gives up after `HANG_SECONDS`."""


def timed(source: str) -> list[str]:
    """What in the source of a test depends on how fast the machine is."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            found += [f"line {node.lineno}: imports {name.name}" for name in node.names if name.name in CLOCKS]
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        method = function.attr if isinstance(function, ast.Attribute) else None
        if method in CLOCKS and ast.unparse(function).startswith("time."):
            found.append(f"line {node.lineno}: reads the clock")
        limits = {word.arg: word.value for word in node.keywords if word.arg in ("timeout", "deadline")}
        if method in WAITS and node.args:
            limits["timeout"] = node.args[0]
        for name, limit in limits.items():
            value = limit.value if isinstance(limit, ast.Constant) else None
            if isinstance(value, int | float) and (name == "deadline" or value < SHORT_SECONDS):
                found.append(f"line {node.lineno}: {name} {value:g}")
    return found


def test_no_test_depends_on_how_fast_the_machine_is() -> None:
    """If this fails: wait for a state with `wait_until` or `output_of`, and assert that state."""
    found = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        name = path.relative_to(ROOT / "tests")
        if name not in MAY_READ_THE_CLOCK and (places := timed(path.read_text(encoding="utf-8"))):
            found[str(name)] = places
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        "started = time.monotonic()",
        "assert time.perf_counter() - started < 5",
        "from time import perf_counter",
        "process.communicate(timeout=30)",
        "process.wait(10)",
        "thread.join(timeout=0.5)",
        "subprocess.run(command, timeout=60)",
        "settings(deadline=200)",
    ],
)
def test_a_timed_assertion_is_found(source: str) -> None:
    assert len(timed(source)) == 1


@pytest.mark.parametrize(
    "source",
    ["process.communicate(timeout=HANG_SECONDS)", "thread.join()", "', '.join(words)", "settings(deadline=None)"],
)
def test_waiting_for_a_state_is_not_a_timed_assertion(source: str) -> None:
    assert timed(source) == []


def test_the_guard_against_hanging_is_no_claim_about_speed() -> None:
    assert HANG_SECONDS >= SHORT_SECONDS
