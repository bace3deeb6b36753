"""Waiting through an outage: for how long, what is said, and what ends it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.exc import OperationalError

from stability_sweep.errors import OutageError, StorageError
from stability_sweep.storage import Repository
from stability_sweep.workers import patience
from stability_sweep.workers.patience import Patience
from stability_sweep.workers.stopping import StopRequest


class Pauses(StopRequest):
    """Waits for nothing, and notes for how long it would have."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self._then = then

    def wait(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self._then()


def failing(times: int, error: Exception) -> Callable[[], int]:
    """Fails so often, then returns how often it was called."""
    calls: list[int] = []

    def operation() -> int:
        calls.append(1)
        if len(calls) <= times:
            raise error
        return len(calls)

    return operation


BUSY = OperationalError("SELECT 1", {}, Exception("database is locked"))


def test_an_outage_is_waited_for_with_growing_pauses(repository: Repository, caplog: pytest.LogCaptureFixture) -> None:
    stop = Pauses()
    assert Patience(repository.database, stop)("counting", failing(8, BUSY)) == 9
    assert stop.pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
    first, last = caplog.messages
    assert first.startswith("counting failed, and is tried again for up to 15 minutes: sqlite:///")
    assert "database is locked" in first
    assert last == "counting: the database is back after 0 s"


def test_a_stop_request_ends_the_wait_without_another_attempt(repository: Repository) -> None:
    stop = Pauses(then=lambda: setattr(stop, "interrupted", True))
    calls: list[int] = []

    def operation() -> None:
        calls.append(1)
        raise OutageError("away")

    with pytest.raises(OutageError, match="away"):
        Patience(repository.database, stop)("counting", operation)
    assert len(calls) == 1


def test_an_outage_of_over_the_longest_time_is_raised(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LONGEST_OUTAGE_SECONDS", 0.0)
    with pytest.raises(OutageError, match="database is locked"):
        Patience(repository.database, Pauses())("counting", failing(1, BUSY))


def test_any_other_error_is_raised_at_once(repository: Repository) -> None:
    stop = Pauses()
    for error in (StorageError("the table is gone"), ValueError("a bug")):
        with pytest.raises(type(error), match=str(error)):
            Patience(repository.database, stop)("counting", failing(1, error))
    assert stop.pauses == []
