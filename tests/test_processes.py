from __future__ import annotations

import sys
from multiprocessing.connection import Connection

from tests.processes import PRELOADED, context
from tests.waiting import wait_for_end


def tell_what_is_imported(pipe: Connection) -> None:
    pipe.send(set(sys.modules))


def test_a_process_has_imported_from_its_start_all_that_is_preloaded() -> None:
    mine, theirs = context().Pipe()
    process = context().Process(target=tell_what_is_imported, args=(theirs,))
    process.start()
    assert set(PRELOADED) - mine.recv() == set()
    wait_for_end(process)
