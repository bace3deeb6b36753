from __future__ import annotations

import threading

from stability_sweep.errors import OutageError
from stability_sweep.workers.heartbeat import GRACE_BEATS, LONGEST_GAP, Heartbeat
from tests.waiting import wait_until

INTERVAL_SECONDS = 0.05


def test_whoever_was_answered_for_as_long_as_the_grace_may_declare_others_dead() -> None:
    beats = []
    with Heartbeat(lambda: beats.append(1), INTERVAL_SECONDS) as heartbeat:
        wait_until(lambda: len(beats) > GRACE_BEATS and heartbeat.is_steady, "it is steady")


def test_a_beat_that_is_never_answered_is_no_steadiness() -> None:
    """As in a network that swallows everything: nothing fails, and the process knows nothing of the others."""
    answer, asked = threading.Event(), threading.Event()

    def beat() -> None:
        asked.set()
        answer.wait()

    heartbeat = Heartbeat(beat, INTERVAL_SECONDS)
    with heartbeat:
        wait_until(asked.is_set, "the first beat is under way")
        pause = threading.Event()
        pause.wait((GRACE_BEATS + LONGEST_GAP) * INTERVAL_SECONDS)
        assert not heartbeat.is_steady
        answer.set()


def test_an_outage_starts_the_grace_anew() -> None:
    fails = threading.Event()
    beats: list[bool] = []

    def beat() -> None:
        beats.append(fails.is_set())
        if fails.is_set():
            raise OutageError("away")

    with Heartbeat(beat, INTERVAL_SECONDS) as heartbeat:
        wait_until(lambda: heartbeat.is_steady, "it is steady")
        fails.set()
        wait_until(lambda: beats[-1], "a beat fails")
        wait_until(lambda: not heartbeat.is_steady, "nobody is declared dead")
        fails.clear()
        wait_until(lambda: heartbeat.is_steady, "it is steady again")
