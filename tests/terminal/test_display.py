from __future__ import annotations

import io

from rich.console import Console

from stability_sweep.results.outcome import Outcome
from stability_sweep.storage import StudySummary
from stability_sweep.terminal.display import LiveDisplay
from tests.conftest import make_result


def test_the_live_display_shows_square_brackets_as_they_are() -> None:
    summary = StudySummary("small", 4, {outcome.value: 0 for outcome in Outcome}, running=0, waiting=0)
    output = io.StringIO()
    display = LiveDisplay(Console(file=output, force_terminal=True, width=200, highlight=False), summary)
    with display.progress:
        failure = "RuntimeError: [enforce fail at alloc.cpp:1] [/b]"
        display.trial_finished(0, {"learning_rate": 1e-3}, make_result(Outcome.FAILED, failure=failure))
    assert "[enforce fail at alloc.cpp:1] [/b]" in output.getvalue()
