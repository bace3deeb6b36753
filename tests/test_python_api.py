"""The first line of Python: what docs/python.md says is run here, block by block."""

from __future__ import annotations

import math
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import plotly.graph_objects as go
import pytest

import stability_sweep
from stability_sweep import open_study, sweep
from stability_sweep.errors import DefinitionError, StudyError
from stability_sweep.results.outcome import Outcome, TrialResult
from stability_sweep.storage import Database, Repository
from tests.conftest import ROOT, StudyBuilder, build_study, make_definition, make_result
from tests.waiting import HANG_SECONDS, wait_until

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(encoding="utf-8"), flags=re.DOTALL)


def diverges(point: dict[str, Any]) -> TrialResult:
    return make_result(Outcome.DIVERGED if point["learning_rate"] > 1e-3 else Outcome.STABLE)


@pytest.fixture
def study_url(repository: Repository, finished_study: StudyBuilder, tmp_path: Path) -> str:
    finished_study(diverges, trials=24)
    return f"sqlite:///{tmp_path / 'study.db'}"


def test_the_names_of_the_first_line_are_there() -> None:
    assert {"open_study", "sweep", "BoundarySampler"} <= set(stability_sweep.__all__)
    for name in stability_sweep.__all__:
        assert getattr(stability_sweep, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'sweeps'"):
        _ = stability_sweep.sweeps


def test_the_function_is_there_whatever_was_imported_before() -> None:
    code = (
        "import stability_sweep.cli.run; import stability_sweep as s; from stability_sweep import sweep; sweep.__call__"
    )
    code += "; s.sweep({'name': 'x', 'training': {}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "DefinitionError: definition: training" in done.stderr


def test_the_probability_at_a_point_has_a_band_and_grows_with_the_steps(study_url: str) -> None:
    study = open_study(study_url, "small")
    points = pd.DataFrame(
        {"learning_rate": [1e-5, 1e-1], "batch_size": [16, 64], "clip_norm": ["off", 1.0]}, index=[7, 3]
    )
    found = study.probability(points)
    assert list(found.columns) == ["probability", "low", "high"]
    assert list(found.index) == [7, 3]
    assert found["probability"][7] < 0.3 < 0.7 < found["probability"][3]
    assert ((found["low"] <= found["probability"]) & (found["probability"] <= found["high"])).all()
    sooner, later = study.probability(points, steps=1), study.probability(points, steps=10_000)
    assert (sooner["probability"] <= found["probability"]).all()
    assert (later["probability"] > found["probability"]).all()
    assert later["high"][7] > found["high"][7]
    alone = study.probability(points[["learning_rate"]])  # the rest stands at the baseline
    assert alone["probability"][7] < 0.5 < alone["probability"][3]


def test_what_is_unknown_has_no_probability_and_a_whole_band(
    study_url: str, repository: Repository, finished_study: StudyBuilder
) -> None:
    beyond = pd.DataFrame({"learning_rate": [1e-9, 1e-3, math.nan], "batch_size": [16, 17_000, 16]})
    finished_study(diverges, trials=3, definition=make_definition(name="few"))
    few = open_study(study_url, "few").probability(pd.DataFrame({"learning_rate": [1e-3]}))
    for found in (open_study(study_url, "small").probability(beyond), few):
        assert found["probability"].isna().all()
        assert (found["low"] == 0).all()
        assert (found["high"] == 1).all()


def test_steps_and_values_that_cannot_be_are_refused_in_one_line(study_url: str) -> None:
    study = open_study(study_url, "small")
    with pytest.raises(StudyError, match=r"^expected at least 1 step, got 0$"):
        study.probability(pd.DataFrame({"learning_rate": [1e-3]}), steps=0)
    with pytest.raises(StudyError, match=r"^expected numbers in the column 'learning_rate', got"):
        study.probability(pd.DataFrame({"learning_rate": ["fast"]}))


def test_a_study_gives_trials_surface_map_and_limit(study_url: str, tmp_path: Path) -> None:
    study = open_study(study_url, "small")
    assert len(study.trials) == 24
    assert set(study.trials["outcome"]) == {"diverged", "stable"}
    figure = study.map("learning_rate", "batch_size")
    assert isinstance(figure, go.Figure)
    assert any(trace.type == "heatmap" for trace in figure.data)
    surface = study.surface()
    assert surface is not None
    points = pd.DataFrame({"learning_rate": [1e-5, 1e-1], "batch_size": [16, 16], "clip_norm": [math.inf, 1.0]})
    low, high = surface.predict(points)["probability"]
    assert low < 0.3 < 0.7 < high
    assert {"batch_size", "clip", "limit", "low", "high", "status"} <= set(study.speed_limit().columns)
    assert study.report(tmp_path / "new" / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert study.summary()[0].startswith(("Use a learning rate up to ", "Not enough trials to say "))
    assert repr(study).startswith("<Study 'small' in sqlite:///")


def test_a_dimension_that_is_not_searched_has_no_map(study_url: str) -> None:
    study = open_study(study_url, "small")
    with pytest.raises(StudyError, match=r"searches \(learning_rate, batch_size, clip_norm\), got 'model.n_lf'"):
        study.map("learning_rate", "model.n_lf")
    with pytest.raises(StudyError, match="got 'batch_size' twice"):
        study.map("batch_size", "batch_size")
    with pytest.raises(StudyError, match="there is no study 'none'"):
        open_study(study_url, "none")


def test_the_documented_blocks_run_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STABILITY_SWEEP_STORAGE", raising=False)
    database = Database.open("sqlite:///stability-sweep.db", create=True)
    definition = make_definition(name="quickstart", budget={"trials": 12})
    build_study(Repository(database), diverges, trials=12, definition=definition)
    database.close()
    names: dict[str, Any] = {}
    for block in BLOCKS:
        exec(block, names)
    assert (tmp_path / "first.db").exists()
    assert isinstance(names["own"], optuna.Study)
    assert len(names["study"].trials) == 12


def test_a_wrong_definition_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'none.db'}"
    with pytest.raises(DefinitionError, match="definition: trainin: unknown key; did you mean 'training'"):
        sweep({"name": "x", "trainin": {}, "training": {"horizon_steps": 2}}, url)
    with pytest.raises(DefinitionError, match="expected a dictionary, a definition or the path of a TOML file, got 7"):
        sweep(7, url)  # type: ignore[arg-type]
    assert not (tmp_path / "none.db").exists()


SWEEP = """
import sys
from stability_sweep import sweep
from stability_sweep.definition import StudyDefinition
sweep(StudyDefinition.from_json(sys.argv[1]), sys.argv[2])
"""


def states(url: str) -> list[str]:
    """Of the trials of the one study of a database."""
    storage = optuna.storages.RDBStorage(url)
    try:
        return [trial.state.name for trial in storage.get_all_trials(1)]
    finally:
        storage.remove_session()
        storage.engine.dispose()


def test_ctrl_c_gives_the_trial_back(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    Database.open(url, create=True).close()
    definition = make_definition(budget={"trials": 2}, training={"horizon_steps": 100_000})
    with subprocess.Popen(
        [sys.executable, "-c", SWEEP, definition.to_json(), url], stderr=subprocess.PIPE, text=True
    ) as process:
        wait_until(lambda: has_study(url) and states(url) == ["RUNNING"])
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=HANG_SECONDS)
    assert "KeyboardInterrupt" in errors
    assert states(url) == ["WAITING"]


def has_study(url: str) -> bool:
    database = Database.open(url)
    try:
        return bool(Repository(database).study_names())
    finally:
        database.close()
