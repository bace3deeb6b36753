"""Fixtures shared by all tests: real data, real databases, small definitions, and studies without training."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
import optuna
import pytest
import torch
from optuna.trial import TrialState
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from stability_sweep.definition.study import StudyDefinition, define
from stability_sweep.environment import DATA_VARIABLE, SPOOL_VARIABLE, allow_imports
from stability_sweep.results.outcome import Divergence, Outcome, Symptom, TrialResult
from stability_sweep.space.dimensions import Value
from stability_sweep.storage import Database, Provenance, Repository, StoredStudy
from stability_sweep.targets.images import mnist
from stability_sweep.targets.rhvae.settings import TrialConfig
from stability_sweep.workers.objective import tell
from tests.servers import OwnPostgresql, postgresql_binaries

REQUIRE_ALL = "STABILITY_SWEEP_TEST_REQUIRE_ALL"
SERVERS = {
    "postgresql": ("STABILITY_SWEEP_TEST_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1:5432/test"),
    "mysql": ("STABILITY_SWEEP_TEST_MYSQL", "mysql+pymysql://root@127.0.0.1:3306/test"),
}
ROOT = Path(__file__).parent.parent


def pytest_configure() -> None:
    """Not at import: the processes of `tests/processes.py` import this too, and are to be as a user's are."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Two torch threads on a busy machine wait for each other: tests would take many times longer than on one.
    torch.set_num_threads(1)
    # How long an example takes is the machine's affair.
    hypothesis.settings.register_profile(
        "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("any machine")
    allow_imports(["tests", "no.such.package"])
    # A shell starts what runs in the background with Ctrl-C ignored, and nohup with SIGHUP ignored; our programs leave
    # such signals ignored, and so does PostgreSQL when it is to stop.
    for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, default)


def unavailable(reason: str) -> None:
    """Skip, unless this run must not skip for lack of a server, a browser or data."""
    if os.environ.get(REQUIRE_ALL):
        pytest.fail(f"{reason} (and {REQUIRE_ALL} is set)")
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def fixed_torch_seed() -> None:
    """pytest-randomly seeds Python and NumPy, not torch: without this, weights would differ from run to run."""
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def own_spool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a worker of a test keeps for later goes into no user's folder, and what lies there comes into no test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SPOOL_VARIABLE, str(tmp_path_factory.mktemp("spool")))
        yield


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    folder = Path(os.environ.get(DATA_VARIABLE, ROOT.parent / "shared" / "mnist"))
    if mnist.find(folder, mnist.TRAINING_FILE) is None:
        unavailable(f"no MNIST in {folder}; set {DATA_VARIABLE}")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    path = shutil.which("chromium")
    if path is None:
        unavailable("chromium is not installed")
    assert path is not None
    return path


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter; every session of pytest that starts shuts pytest's own ones to them."""
    with tempfile.TemporaryDirectory(prefix="stability-sweep-") as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


@pytest.fixture
def own_postgresql(open_folder: Path) -> Iterator[OwnPostgresql]:
    """A PostgreSQL server of this test's own, started."""
    binaries = postgresql_binaries()
    if binaries is None:
        unavailable("no PostgreSQL to start an own server with")
    assert binaries is not None
    own = OwnPostgresql(open_folder, binaries)
    own.start()
    yield own
    own.stop()


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.postgres),
        pytest.param("mysql", marks=pytest.mark.mysql),
    ]
)
def storage_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of each kind; dropped afterwards."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'study.db'}"
        return
    variable, default = SERVERS[request.param]
    server = make_url(os.environ.get(variable, default))
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    name = f"stability_sweep_{uuid.uuid4().hex[:12]}"
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError as error:
        unavailable(f"no {request.param} server: {error.orig}")
    yield server.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        force = " WITH (FORCE)" if request.param == "postgresql" else ""
        connection.execute(text(f"DROP DATABASE {name}{force}"))
    engine.dispose()


@contextmanager
def plain_optuna_storage(url: URL | str) -> Iterator[optuna.storages.RDBStorage]:
    """The database as a plain Optuna script opens it; closed at the end, which Optuna itself leaves to chance."""
    storage = optuna.storages.RDBStorage(make_url(url).render_as_string(hide_password=False))
    yield storage
    storage.remove_session()
    storage.engine.dispose()


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    """An empty repository in a SQLite file."""
    database = Database.open(f"sqlite:///{tmp_path / 'study.db'}", create=True)
    yield Repository(database)
    database.close()


def make_definition(**overrides: Any) -> StudyDefinition:
    """A small study on the embedded digits."""
    settings: dict[str, Any] = {
        "name": "small",
        "seed": 7,
        "search_space": {
            "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
            "batch_size": [16, 64],
        },
        "sampler": {"name": "random"},
        "budget": {"trials": 4},
        "training": {"horizon_steps": 5},
        "model": {"latent_dim": 2, "n_lf": 1, "eps_lf": 1e-2},
        "data": {"dataset": "digits", "training_images": 200, "validation_images": 50},
    }
    return define(**{**settings, **overrides})


def trial_config(definition: StudyDefinition, point: Mapping[str, Value]) -> TrialConfig:
    """The settings of an RHVAE's trial."""
    config = definition.at(point)
    assert isinstance(config, TrialConfig)
    return config


DEFINITION_TOML = """\
name = "small"
seed = 7

[search_space]
learning_rate = { low = 1e-5, high = 1e-1, log = true }
batch_size = [16, 64]

[sampler]
name = "random"

[budget]
trials = 4

[training]
horizon_steps = 5

[model]
latent_dim = 2
n_lf = 1
eps_lf = 1e-2

[data]
dataset = "digits"
training_images = 200
validation_images = 50
"""


@pytest.fixture
def definition_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(DEFINITION_TOML)
    return path


def make_result(outcome: Outcome = Outcome.STABLE, **overrides: Any) -> TrialResult:
    """A plausible result of a trial that was never trained."""
    settings: dict[str, Any] = {"seed": 1, "outcome": outcome, "horizon": 100, "wall_seconds": 1.0}
    if outcome is Outcome.FAILED:
        settings["failure"] = "MemoryError: no room"
    else:
        settings |= {"steps": 100, "first_loss": 100.0, "final_loss": 30.0, "best_loss": 25.0, "max_loss": 110.0}
        settings |= {"validation_loss": 31.0, "yardstick": 29.0, "yardstick_at_start": 90.0}
    if outcome is Outcome.DIVERGED:
        settings |= {"steps": 3, "divergence": Divergence(step=3, symptom=Symptom.NAN_LOSS)}
        settings |= {"final_loss": float("nan"), "validation_loss": None, "yardstick": None, "yardstick_at_start": None}
    return TrialResult(**{**settings, **overrides})


PROVENANCE = Provenance(worker="host:1", device="cpu", threads=1, torch_version="2.13.0", cpu="A CPU (AVX2)")

Judge = Callable[[dict[str, Any]], TrialResult]
"""From a point to what comes of it."""

StudyBuilder = Callable[..., StoredStudy]


def build_study(
    repository: Repository, judge: Judge, *, trials: int, definition: StudyDefinition | None = None
) -> StoredStudy:
    """A study whose trials end as told, through the real storage, without training."""
    from stability_sweep.sampling import planned_trial, suggest_point

    definition = definition or make_definition(budget={"trials": trials})
    stored = repository.create_study(definition, definition.dataset)
    storage = repository.database.optuna_storage
    study = optuna.load_study(study_name=definition.name, storage=storage)
    for number in range(trials):
        trial = optuna.Trial(study, storage.create_new_trial(stored.study_id, planned_trial(definition, number)))
        result = judge(suggest_point(trial, definition))
        repository.save_result(stored, trial._trial_id, trial.number, result, PROVENANCE)
        tell(study, trial, result)
        assert storage.get_trial(trial._trial_id).state in (
            TrialState.COMPLETE,
            TrialState.PRUNED,
            TrialState.FAIL,
        )
    return stored


@pytest.fixture
def finished_study(repository: Repository) -> StudyBuilder:
    """`build_study` in the test's repository."""
    return partial(build_study, repository)


def diverges_above(limit: float) -> Judge:
    """A world in which the learning rate alone decides."""
    return lambda point: make_result(Outcome.DIVERGED if point["learning_rate"] > limit else Outcome.STABLE)
