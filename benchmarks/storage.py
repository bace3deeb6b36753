"""No-op trials per second, with our rows written, beside plain Optuna's `optimize`, on the same database in one run.

Ours runs the real worker loop (holds, heartbeats, results, telemetry) with a trainer that returns at once. Processes
come from a server that has imported everything; the clock runs from the first trial to the last.
Usage: ``python -m benchmarks.storage [--trials N] [--runs N] [--processes 1,2,4,8] [--backends sqlite,mysql]``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from sqlalchemy import create_engine, make_url, text

from stability_sweep.results.outcome import Outcome, TrialResult
from stability_sweep.results.telemetry import Telemetry
from stability_sweep.storage import Database, Repository
from stability_sweep.targets.rhvae.signals import SIGNALS
from stability_sweep.targets.rhvae.trainable import PreparedRHVAE
from tests.conftest import SERVERS, make_definition

NAME = "small"


def main() -> None:
    """Measure, print a table, and write the numbers as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--processes", type=lambda t: [int(n) for n in t.split(",")], default=[1, 2, 4, 8])
    parser.add_argument("--backends", type=lambda t: t.split(","), default=["sqlite", *SERVERS])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/storage.json"))
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["stability_sweep.workers.worker", "stability_sweep.targets.rhvae.trainable", "tests.conftest"]
    )
    rows = []
    print("no-op trials per second: median [smallest, largest]")
    for backend in arguments.backends:
        for processes in arguments.processes:
            speeds: dict[str, list[float]] = {"ours": [], "plain Optuna": []}
            for _ in range(arguments.runs):
                for who, prepare, work in (("ours", _prepare_ours, _ours), ("plain Optuna", _prepare_plain, _plain)):
                    with _database(backend) as url:
                        prepare(url, arguments.trials)
                        seconds = _run(context, processes, work, url, arguments.trials)
                        speeds[who].append(arguments.trials / seconds)
                        if who == "ours":
                            _check(url, arguments.trials)
            ratio = [a / b for a, b in zip(speeds["ours"], speeds["plain Optuna"], strict=True)]
            rows.append({"backend": backend, "processes": processes, **speeds, "ratio": ratio})
            print(
                f"{backend:>10}, {processes} process(es): ours {_spread(speeds['ours'])}, plain Optuna "
                f"{_spread(speeds['plain Optuna'])}, ratio {_spread(ratio, 2)}",
                flush=True,
            )
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps({"optuna": optuna.__version__, "rows": rows}))
    print(f"Numbers: {arguments.json}")


def _run(context: ForkServerContext, processes: int, work: Callable[..., None], url: str, trials: int) -> float:
    barrier = context.Barrier(processes + 1)
    crew = [context.Process(target=work, args=(url, trials, barrier)) for _ in range(processes)]
    for process in crew:
        process.start()
    barrier.wait(120)
    started = time.perf_counter()
    for process in crew:
        process.join()
        if process.exitcode:
            raise SystemExit(f"a process ended with exit code {process.exitcode}")
    return time.perf_counter() - started


def _prepare_ours(url: str, trials: int) -> None:
    database = Database.open(url, create=True)
    Repository(database).create_study(_definition(trials), "digits")
    database.close()


def _definition(trials: int) -> Any:
    return make_definition(
        budget={"trials": trials},
        search_space={
            "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
            "batch_size": [16, 64],
            "clip_norm": {"low": 0.1, "high": 10.0, "log": True},
        },
    )


def _ours(url: str, trials: int, barrier: Any) -> None:
    import torch

    from stability_sweep.engine import TrainingRun
    from stability_sweep.targets.images.images import Images
    from stability_sweep.targets.rhvae import trainable
    from stability_sweep.workers import StopRequest, Worker
    from stability_sweep.workers import worker as worker_module

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    values = np.random.default_rng(0).standard_normal((130, len(SIGNALS))).astype(np.float32)
    telemetry = Telemetry(np.arange(1, 131), values.astype(np.float64), tuple(SIGNALS))

    class Recorder:
        def telemetry(self) -> Telemetry:
            return telemetry

    def train(config: Any, images: Any, *, seed: int, **options: Any) -> TrainingRun:
        result = TrialResult(
            seed=seed, outcome=Outcome.STABLE, horizon=5, steps=5, first_loss=2.0, final_loss=1.0, best_loss=1.0,
            max_loss=2.0, validation_loss=1.0, spikes=0,
        )  # fmt: skip
        return TrainingRun(result, np.zeros(5))

    trainable.train = train
    worker_module.TelemetryRecorder = Recorder  # type: ignore[attr-defined, assignment]
    repository = Repository(Database.open(url))
    images = Images("digits", torch.zeros(1, 784), torch.zeros(1, 784))
    worker = Worker(repository, repository.get_study(NAME), PreparedRHVAE(images), StopRequest())
    barrier.wait()
    worker.run()


def _prepare_plain(url: str, trials: int) -> None:
    Database.open(url, create=True).close()  # the same tables and the same settings of the file
    storage = optuna.storages.RDBStorage(_driver(url))
    optuna.create_study(study_name=NAME, storage=storage)
    storage.remove_session()
    storage.engine.dispose()


def _plain(url: str, trials: int, barrier: Any) -> None:
    """What a plain script does, with Optuna's own heartbeats and its own way to stop at a budget."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    import warnings

    warnings.simplefilter("ignore")
    storage = optuna.storages.RDBStorage(_driver(url), heartbeat_interval=10, grace_period=30)
    study = optuna.load_study(study_name=NAME, storage=storage, sampler=optuna.samplers.QMCSampler(seed=7))

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True)
        trial.suggest_categorical("batch_size", [16, 64])
        trial.suggest_float("clip_norm", 0.1, 10.0, log=True)
        trial.report(1.0, 5)
        return 1.0

    barrier.wait()
    study.optimize(objective, callbacks=[optuna.study.MaxTrialsCallback(trials, states=None)])


def _check(url: str, trials: int) -> None:
    database = Database.open(url)
    repository = Repository(database)
    study = repository.get_study(NAME)
    found = len(repository.results(study)), sum(1 for _ in repository.telemetries(study))
    database.close()
    if found != (trials, trials):
        raise SystemExit(f"expected {trials} results with telemetry, got {found}")


@contextmanager
def _database(backend: str) -> Iterator[str]:
    """The URL of an empty database of that kind."""
    if backend == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/study.db"
        return
    variable, default = SERVERS[backend]
    server = make_url(os.environ.get(variable, default))
    name = f"stability_sweep_{uuid.uuid4().hex[:12]}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield server.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name}{' WITH (FORCE)' if backend == 'postgresql' else ''}"))
    engine.dispose()


def _driver(url: str) -> str:
    return make_url(url).render_as_string(hide_password=False)


def _spread(values: list[float], digits: int = 0) -> str:
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


if __name__ == "__main__":
    main()
