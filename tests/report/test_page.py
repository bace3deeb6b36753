from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from stability_sweep.analysis import study_frame
from stability_sweep.data import FALLBACK_NOTICE
from stability_sweep.definition import StudyDefinition
from stability_sweep.errors import OutputError
from stability_sweep.outcome import Outcome
from stability_sweep.report import summary_sentences, write_report
from stability_sweep.report.writing import write_atomically
from stability_sweep.storage import Repository
from tests.conftest import StudyBuilder, diverges_above, make_definition, make_result


def page_of(
    repository: Repository, build: StudyBuilder, path: Path, asked: StudyDefinition | None = None
) -> BeautifulSoup:
    study = build(diverges_above(1e-3), trials=20)
    frame = study_frame(repository, study)
    write_report(path, study.definition, frame, asked=asked or study.definition, storage=str(repository.database))
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def test_the_page_holds_maps_of_every_pair_and_all_trials(
    repository: Repository, finished_study: StudyBuilder, tmp_path: Path
) -> None:
    page = page_of(repository, finished_study, tmp_path / "r.html")
    captions = [caption.text for caption in page.select("#maps figcaption")]
    assert captions == ["learning rate × batch size", "learning rate × clip norm", "batch size × clip norm"]
    assert len(page.select("figure script")) == 5
    assert len(page.select("#trials tbody tr")) == 20
    assert page.select_one(".notice") is None


def test_the_maps_draw_every_trial_and_leave_empty_cells_empty(
    repository: Repository, finished_study: StudyBuilder, tmp_path: Path
) -> None:
    page = page_of(repository, finished_study, tmp_path / "r.html")
    figure = json.loads(page.select("#maps figure script")[0].text)
    heatmap, *scatters = figure["data"]
    assert sum(len(trace["x"]) for trace in scatters) == 20
    assert {trace["name"] for trace in scatters} == {"stable", "diverged"}
    cells = [value for row in heatmap["z"] for value in row]
    assert None in cells
    assert {value for value in cells if value is not None} <= {0.0, 1.0, 0.5}


def test_the_page_asks_the_network_for_nothing(
    repository: Repository, finished_study: StudyBuilder, tmp_path: Path
) -> None:
    page = page_of(repository, finished_study, tmp_path / "r.html")
    assert not page.select("script[src], link[rel=stylesheet], img[src^=http], iframe")


def test_text_from_outside_is_escaped(repository: Repository, finished_study: StudyBuilder, tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script>"
    definition = make_definition(description=evil, budget={"trials": 2})
    study = finished_study(lambda point: make_result(), trials=2, definition=definition)
    frame = study_frame(repository, study)
    write_report(tmp_path / "r.html", definition, frame, asked=definition, storage=evil)
    assert evil not in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_the_fallback_is_told_on_the_page(repository: Repository, finished_study: StudyBuilder, tmp_path: Path) -> None:
    asked = make_definition(data={"dataset": "mnist", "fallback": "digits"})
    page = page_of(repository, finished_study, tmp_path / "r.html", asked=asked)
    notice = page.select_one(".notice")
    assert notice is not None
    assert FALLBACK_NOTICE in notice.text


def test_a_study_without_trials_still_has_a_page(
    repository: Repository, finished_study: StudyBuilder, tmp_path: Path
) -> None:
    definition = make_definition()
    study = repository.create_study(definition, "digits")
    write_report(tmp_path / "r.html", definition, study_frame(repository, study), asked=definition, storage="here")
    assert "No trial of study small has an outcome yet" in (tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_study_of_one_outcome_only_has_a_page(
    repository: Repository, finished_study: StudyBuilder, tmp_path: Path, outcome: Outcome
) -> None:
    study = finished_study(lambda point: make_result(outcome), trials=3)
    frame = study_frame(repository, study)
    write_report(tmp_path / "r.html", study.definition, frame, asked=study.definition, storage="here")
    page = BeautifulSoup((tmp_path / "r.html").read_text(encoding="utf-8"), "html.parser")
    assert len(page.select(f"#trials td.{outcome.value}")) == 3


def test_the_summary_is_five_sentences_with_counts_and_intervals(
    repository: Repository, finished_study: StudyBuilder
) -> None:
    study = finished_study(diverges_above(1e-3), trials=40)
    frame = study_frame(repository, study)
    sentences = summary_sentences(study.definition, frame)
    diverged = int((frame["outcome"] == "diverged").sum())
    assert len(sentences) == 5
    assert f"({diverged} of 40; 95% interval" in sentences[0]
    assert f"none of {40 - diverged} trials diverged" in sentences[1]
    assert sentences[3].startswith("Divergence came at step 3 in the median")
    assert sentences[4].startswith("Lowest validation loss of a stable trial: 31 (trial ")


def test_a_report_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path) -> None:
    """A real write error: this process may not write files of more than a few bytes."""
    path = tmp_path / "report.html"
    path.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"report\.html: cannot be written: File too large; nothing was changed"):
            write_atomically(path, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["report.html"]


def test_a_report_in_an_impossible_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written: File exists"):
        write_atomically(tmp_path / "file" / "report.html", b"x")
