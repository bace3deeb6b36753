"""Kill workers at work with SIGKILL, again and again, and see that the study loses nothing and doubles nothing.

A worker is killed only while the database says that it is alive and runs a trial; another is started in its place.
At the end every number has one trial and every trial one outcome, none failed, the budget is exact, and SQLite finds
its file intact. Exit code 1 if not.
Usage: ``python -m benchmarks.drills [--kills N] [--trials N] [--workers N]``.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from stability_sweep.results.outcome import Outcome
from stability_sweep.storage import Database, Repository
from stability_sweep.storage.workers import Workers
from tests.workers.faults import Crew, drill_definition


def main() -> None:
    """Kill, wait for the end, and print figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = Database.open(f"sqlite:///{folder}/study.db", create=True)
        repository = Repository(database)
        repository.create_study(drill_definition(arguments.trials), "digits")
        started = time.monotonic()
        kills = _kill(repository, Path(folder), arguments.workers, arguments.kills)
        print(f"{kills} kills of workers at work; the study ended after {time.monotonic() - started:.0f} s")
        faults = _faults(repository, arguments.trials)
        if kills < arguments.kills:
            faults.append(f"the study ended after {kills} of {arguments.kills} kills; give it more --trials")
        database.close()
        with closing(sqlite3.connect(f"{folder}/study.db")) as connection:
            (checked,) = connection.execute("PRAGMA integrity_check").fetchone()
            tries = connection.execute("SELECT attempts, count(*) FROM stability_claims GROUP BY attempts").fetchall()
    print("trials by attempts:", dict(tries))
    print(f"integrity check: {checked}")
    faults += [] if checked == "ok" else [f"integrity check: {checked}"]
    for fault in faults:
        print(f"FAULT: {fault}")
    print("nothing lost, nothing doubled" if not faults else f"{len(faults)} faults")
    sys.exit(1 if faults else 0)


def _kill(repository: Repository, folder: Path, workers: int, wanted: int) -> int:
    """Let workers run the study to its end, and kill so many of them at work; returns how many were."""
    study = repository.get_study("small")
    fleet = Workers(repository.database, study)
    crew = Crew(f"sqlite:///{folder}/study.db", str(folder / "spool"), seconds_per_trial=0.05, most_attempts=wanted + 1)
    generator = random.Random(0)
    kills = 0
    try:
        crew.start(workers)
        while kills < wanted and any(process.is_alive() for process in crew.processes):
            time.sleep(generator.uniform(0.0, 0.3))
            at_work = {worker.process_id for worker in fleet.present() if worker.alive and worker.trials}
            victims = [process for process in crew.processes if process.is_alive() and process.pid in at_work]
            if victims:
                victim = generator.choice(victims)
                assert victim.pid is not None
                os.kill(victim.pid, signal.SIGKILL)
                victim.join()
                kills += 1
                crew.start(1)
        crew.wait()
    finally:
        crew.end()
    return kills


def _faults(repository: Repository, trials: int) -> list[str]:
    """What the database has that it should not have."""
    study = repository.get_study("small")
    results = repository.results(study)
    states = [trial.state for trial in repository.database.optuna_storage.get_all_trials(study.study_id)]
    numbers = [stored.number for stored in results]
    failed = [stored for stored in results if stored.result.outcome is Outcome.FAILED]
    print(f"{len(states)} trials, {len(results)} outcomes, {len(failed)} failed, budget {trials}")
    faults = [f"trial {stored.number} failed: {stored.result.failure}" for stored in failed]
    if sorted(numbers) != list(range(trials)):
        faults.append(f"{trials} numbers, each with one outcome, expected; {len(set(numbers))} differ")
    if len(states) != trials:
        faults.append(f"a budget of {trials} trials, {len(states)} were made")
    if unfinished := sum(not state.is_finished() for state in states):
        faults.append(f"{unfinished} trials never ended")
    return faults


if __name__ == "__main__":
    main()
