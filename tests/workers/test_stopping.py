"""What counts as a request to stop, and what as insisting: on real processes that get real signals."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

from tests.waiting import HANG_SECONDS

CODE = """
import os, signal, sys, time
for number in map(int, sys.argv[1:]):
    signal.signal(number, signal.SIG_IGN)
from stability_sweep.workers.stopping import StopRequest
stop = StopRequest()
stop.on_insistence = lambda: os.write(1, b"insisted\\n")
with stop.on_signals():
    print("ready", flush=True)
    while sys.stdin.readline() == "ask\\n":
        print(stop.interrupted, flush=True)
"""


class Program:
    """A process that takes signals and says whether they were a request."""

    def __init__(self, *ignored: signal.Signals) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CODE, *(str(int(number)) for number in ignored)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def interrupted(self) -> bool:
        assert self.process.stdin is not None
        self.process.stdin.write("ask\n")
        self.process.stdin.flush()
        return self._line() == "True"

    def end(self) -> tuple[str, int]:
        output, _ = self.process.communicate(timeout=HANG_SECONDS)
        return output, self.process.returncode


def test_a_signal_ignored_at_the_start_stays_ignored() -> None:
    program = Program(signal.SIGHUP, signal.SIGINT)
    program.process.send_signal(signal.SIGHUP)
    program.process.send_signal(signal.SIGINT)
    assert not program.interrupted()
    program.process.send_signal(signal.SIGTERM)
    assert program.interrupted()
    assert program.end() == ("", 0)


def test_many_terminations_are_one_request() -> None:
    program = Program()
    for _ in range(5):
        program.process.send_signal(signal.SIGTERM)
        program.process.send_signal(signal.SIGHUP)
        assert program.interrupted()
    program.process.send_signal(signal.SIGINT)
    assert program.interrupted()
    assert program.end() == ("", 0)


def test_a_second_ctrl_c_ends_at_once() -> None:
    program = Program()
    program.process.send_signal(signal.SIGINT)
    assert program.interrupted()
    time.sleep(0.5)
    program.process.send_signal(signal.SIGINT)
    assert program.end() == ("insisted\n", 130)
