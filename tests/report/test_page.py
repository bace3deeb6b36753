from __future__ import annotations

import base64
import gzip
import json
import math
import os
import re
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bs4 import BeautifulSoup
from sqlalchemy import text, update

from stability_sweep.errors import OutputError
from stability_sweep.report import analyse_study, summary_sentences, write_study_report
from stability_sweep.report.files.writing import write_output
from stability_sweep.results.outcome import Outcome
from stability_sweep.results.telemetry import Telemetry
from stability_sweep.sources import StoredSource
from stability_sweep.storage import Database, Repository, StoredStudy
from stability_sweep.storage.schema import ResultRow
from stability_sweep.targets.images.datasets import DIGITS, MNIST
from stability_sweep.targets.rhvae.signals import SIGNALS
from tests.conftest import StudyBuilder, diverges_above, make_definition, make_result
from tests.studies import LARGE_STUDY, build_large_study

Soup = BeautifulSoup


def written(repository: Repository, study: StoredStudy, path: Path) -> Soup:
    write_study_report(StoredSource(repository, study), path)
    return Soup(path.read_text(encoding="utf-8"), "html.parser")


def page_of(repository: Repository, build: StudyBuilder, path: Path, *, trials: int = 20) -> Soup:
    return written(repository, build(diverges_above(1e-3), trials=trials), path)


def payload_of(page: Soup) -> dict[str, Any]:
    packed = page.select_one("#payload-gzip")
    assert packed is not None
    content: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(packed.text)))
    return content


def test_the_page_holds_every_part_with_a_caption_under_each_figure(
    repository: Repository, finished_study: StudyBuilder, tmp_path: Path
) -> None:
    page = page_of(repository, finished_study, tmp_path / "r.html", trials=40)
    assert [str(section["id"]) for section in page.select("main section")] == [
        "answer",
        "summary",
        "maps",
        "trust",
        "time",
        "limits",
        "remedies",
        "effects",
        "claims",
        "origins",
        "best",
        "trials",
        "appendix",
    ]
    assert [title.text for title in page.select("#maps h3")] == [
        "learning rate × batch size",
        "learning rate × clip norm",
        "batch size × clip norm",
    ]
    figures = page.select("figure.drawn")
    assert len(figures) >= 10
    assert all(figure.select_one("figcaption") for figure in figures)
    assert len(page.select(".key-figure")) >= 3
    assert page.select("#answer p")
    assert page.select_one(".notice") is None


def test_a_map_has_a_model_in_slices_counts_and_every_trial_once(
    repository: Repository, finished_study: StudyBuilder, tmp_path: Path
) -> None:
    page = page_of(repository, finished_study, tmp_path / "r.html")
    data = json.loads(page.select("#maps figure script")[0].text)["data"]
    slices = {trace["meta"].get("slice") for trace in data if trace["meta"].get("mode") == "model"} - {None}
    slider = page.select_one("#maps figure input[type=range]")
    assert slider is not None
    assert slices == set(range(int(str(slider["max"])) + 1))
    captions = json.loads(str(slider["data-captions"]))
    shown = page.select_one("#maps figcaption")
    assert shown is not None
    assert len(set(captions)) == len(slices)
    assert shown.text == captions[int(str(slider["value"]))]
    trials = [trace for trace in data if trace["meta"].get("trials")]
    assert sorted(number for trace in trials for number in trace["customdata"]) == list(range(20))
    counts = next(trace for trace in data if trace["type"] == "heatmap" and trace["meta"]["mode"] == "counts")
    cells = [value for row in counts["z"] for value in row]
    assert None in cells
    assert {value for value in cells if value is not None} <= {0.0, 1.0, 0.5}


def test_the_payload_lists_every_trial_and_every_table(
    repository: Repository, finished_study: StudyBuilder, tmp_path: Path
) -> None:
    page = page_of(repository, finished_study, tmp_path / "r.html")
    content = payload_of(page)
    assert [row[0] for row in content["trials"]] == list(range(20))
    assert content["columns"][:5] == ["number", "outcome", "learning_rate", "batch_size", "clip_norm"]
    for button in page.select("button.download"):
        assert str(button["data-csv"]) in content["csv"]
    assert content["csv"]["trials"].count("\n") == 21


def test_a_trials_telemetry_and_autopsy_are_on_the_page(
    repository: Repository, finished_study: StudyBuilder, tmp_path: Path
) -> None:
    study = finished_study(diverges_above(1e-3), trials=6)
    ids = repository.trial_ids(study, [3])
    values = np.full((70, len(SIGNALS)), 2.0)
    values[-1] = math.nan
    repository.save_telemetry(ids[3], Telemetry(np.arange(1, 71), values, tuple(SIGNALS)))
    detail = payload_of(written(repository, study, tmp_path / "r.html"))["details"]["3"]
    assert len(detail["signals"]["loss"]) == 48
    assert detail["signals"]["loss"][0] == 2.0
    assert detail["signals"]["loss"][-1] == "nan"


def test_the_page_asks_the_network_for_nothing(
    repository: Repository, finished_study: StudyBuilder, tmp_path: Path
) -> None:
    page = page_of(repository, finished_study, tmp_path / "r.html")
    assert not page.select("script[src], link[rel=stylesheet], img[src^=http], iframe")


def test_a_hostile_database_gives_a_safe_page(
    repository: Repository, finished_study: StudyBuilder, tmp_path: Path
) -> None:
    """Script tags, huge texts and NaN everywhere."""
    evil = "</script><script>alert(1)</script>"
    definition = make_definition(
        description=evil, budget={"trials": 8}, claims=[{"says": "batch_size = 16 avoids divergence", "source": evil}]
    )
    nan = math.nan
    bad = make_result(
        Outcome.EXPLODED, first_loss=nan, final_loss=nan, best_loss=nan, max_loss=math.inf, validation_loss=nan
    )
    failed = make_result(Outcome.FAILED, failure=evil * 500)
    results = iter([bad, failed, make_result(), make_result(Outcome.DIVERGED)] * 2)
    study = finished_study(lambda point: next(results), trials=8, definition=definition)
    with repository.database.session() as session:
        session.execute(update(ResultRow).values(worker=evil, divergence_origin=evil * 3, divergence_cause=evil[:40]))
        session.execute(update(ResultRow).where(ResultRow.number == 3).values(divergence_cause=None))
    page = written(repository, study, tmp_path / "r.html")
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert evil not in html
    assert "<script>alert" not in html
    assert len(payload_of(page)["trials"]) == 8


def test_the_fallback_is_told_on_the_page(repository: Repository, tmp_path: Path) -> None:
    asked = make_definition(data={"dataset": "mnist", "fallback": "digits", "training_images": 200})
    study = repository.create_study(asked, "digits")
    notice = written(repository, study, tmp_path / "r.html").select_one(".notice")
    assert notice is not None
    assert DIGITS.instead_of(MNIST) in notice.text


@pytest.mark.parametrize("trials", [0, 1, 5])
def test_a_study_of_few_trials_has_a_page_that_says_what_it_cannot_say(
    repository: Repository, finished_study: StudyBuilder, tmp_path: Path, trials: int
) -> None:
    study = finished_study(lambda point: make_result(), trials=trials, definition=make_definition())
    page = written(repository, study, tmp_path / "r.html")
    assert len(payload_of(page)["trials"]) == trials
    if trials < 5:
        assert "Too few trials for a model" in page.text
    if not trials:
        assert "No trial of study small has an outcome yet" in page.text
    assert "no dimension's importance can be told" in page.text


def test_where_trials_are_too_few_to_say_the_page_does_not_say_that_none_is_safe(
    repository: Repository, finished_study: StudyBuilder, tmp_path: Path
) -> None:
    """Eight trials, of which six are stable, up to a learning rate of 0.01."""
    page = written(repository, finished_study(diverges_above(1e-2), trials=8), tmp_path / "r.html")
    assert "none is safe:" not in page.text
    figures = {figure.select_one("span").text: figure for figure in page.select(".key-figure")}  # type: ignore[union-attr]
    assert figures["largest safe learning rate"].b.text == "unknown"  # type: ignore[union-attr]
    assert "not enough trials to say" in figures["largest safe learning rate"].text
    caption = page.select("#limits figcaption")[0].text
    assert re.search(r"for \d there are not enough trials to say", caption)
    drawn = json.loads(page.select("#limits figure script")[0].text)["data"]
    unknown = [trace for trace in drawn if trace["mode"] == "markers"]
    assert unknown
    for trace in unknown:  # a hollow circle exactly where there is no limit
        shown = [y is not None for y in values_of(trace["y"])]
        assert shown == [symbol == "circle-open" for symbol in trace["marker"]["symbol"]]


def values_of(array: Any) -> list[float | None]:
    """A Plotly array of 64-bit numbers, written out or packed."""
    if isinstance(array, list):
        return array
    numbers = np.frombuffer(base64.b64decode(array["bdata"]), dtype=array["dtype"])
    return [None if math.isnan(number) else float(number) for number in numbers]


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_study_of_one_outcome_only_has_a_page(
    repository: Repository, finished_study: StudyBuilder, tmp_path: Path, outcome: Outcome
) -> None:
    study = finished_study(lambda point: make_result(outcome), trials=7)
    page = written(repository, study, tmp_path / "r.html")
    assert {row[1] for row in payload_of(page)["trials"]} == {outcome.value}


def test_a_study_of_one_dimension_has_counts_instead_of_maps(
    repository: Repository, finished_study: StudyBuilder, tmp_path: Path
) -> None:
    space = {"learning_rate": {"low": 1e-5, "high": 1e-1, "log": True}, "batch_size": 16, "clip_norm": "off"}
    definition = make_definition(search_space=space, budget={"trials": 30})
    study = finished_study(diverges_above(1e-3), trials=30, definition=definition)
    page = written(repository, study, tmp_path / "r.html")
    assert "Only one dimension is searched" in page.text
    assert [title.text for title in page.select("#maps h3")] == ["Diverged by learning rate"]
    assert page.select_one("#limits") is not None


def test_a_study_of_seven_dimensions_says_which_have_no_map(
    repository: Repository, finished_study: StudyBuilder, tmp_path: Path
) -> None:
    space: dict[str, Any] = {
        "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
        "batch_size": [16, 64],
        "model.activation": ["relu", "tanh"],
        "model.n_lf": [1, 2, 3],
        "training.warmup_steps": {"low": 0, "high": 20},
        "model.eps_lf": {"low": 1e-4, "high": 1e-1, "log": True},
    }
    definition = make_definition(search_space=space, budget={"trials": 60})
    study = finished_study(diverges_above(1e-3), trials=60, definition=definition)
    page = written(repository, study, tmp_path / "r.html")
    assert len(page.select("#maps figure")) == 6  # the pairs of four dimensions
    assert "Dimensions without a map of their own stand at the baseline: " in page.text
    captions = [caption.text for caption in page.select("#maps figcaption, #limits figcaption")]
    assert len(captions) == 7
    assert all("(the definition's own" in caption for caption in captions)
    limit = captions[-1]
    own = "model.activation relu, model.eps lf 0.01, model.n lf 1, training.warmup steps 0 (the definition's own)"
    assert f"Baseline: {own}." in limit


def test_a_study_of_nothing_searched_has_a_page(
    repository: Repository, finished_study: StudyBuilder, tmp_path: Path
) -> None:
    space = {"learning_rate": 1e-3, "batch_size": 16, "clip_norm": "off"}
    definition = make_definition(search_space=space, budget={"trials": 6})
    page = written(
        repository, finished_study(diverges_above(1e-2), trials=6, definition=definition), tmp_path / "r.html"
    )
    assert page.select_one("#maps") is None
    assert len(payload_of(page)["trials"]) == 6


def test_a_trial_that_lacks_a_dimension_is_left_out_of_the_maps(
    repository: Repository, finished_study: StudyBuilder, tmp_path: Path
) -> None:
    """Another program may put such a trial into the study."""
    study = finished_study(diverges_above(1e-3), trials=12)
    lost = repository.trial_ids(study, [4])[4]
    with repository.database.session() as session:
        session.execute(
            text("DELETE FROM trial_params WHERE trial_id = :id AND param_name = 'batch_size'"), {"id": lost}
        )
    page = written(repository, study, tmp_path / "r.html")
    assert 4 not in [row[0] for row in payload_of(page)["trials"]]


def test_claims_of_the_definition_are_judged_on_the_page(
    repository: Repository, finished_study: StudyBuilder, tmp_path: Path
) -> None:
    claims = [{"says": "learning_rate <= 1e-2 avoids divergence", "source": "somebody"}]
    definition = make_definition(claims=claims, budget={"trials": 60})
    page = written(
        repository, finished_study(diverges_above(1e-3), trials=60, definition=definition), tmp_path / "r.html"
    )
    cells = [cell.text for cell in page.select("#claims td")]
    assert (cells[0], cells[3]) == ("learning rate <= 1e-2 avoids divergence", "no")
    assert "somebody" in cells


def test_the_summary_begins_with_the_answer_and_what_it_costs(
    repository: Repository, finished_study: StudyBuilder
) -> None:
    study = finished_study(diverges_above(1e-3), trials=40)
    analysis = analyse_study(StoredSource(repository, study))
    sentences = summary_sentences(analysis)
    diverged = int((analysis.frame["outcome"] == "diverged").sum())
    assert sentences[0].startswith(("Use a learning rate up to ", "Not enough trials to say "))
    assert f": {diverged} diverged, {40 - diverged} stable, " in " ".join(sentences)
    assert sentences[-2].startswith("Divergence came at step 3 in the median")
    assert "remed" in sentences[-1]


@pytest.mark.parametrize("sampler", ["boundary", "qmc"])
def test_shares_of_trials_that_a_sampler_chose_by_results_are_not_sold_as_shares_of_the_space(
    repository: Repository, finished_study: StudyBuilder, sampler: str, tmp_path: Path
) -> None:
    claims = [{"says": "learning_rate <= 1e-2 avoids divergence"}]
    definition = make_definition(sampler={"name": sampler}, budget={"trials": 24}, claims=claims)
    study = finished_study(diverges_above(1e-3), trials=24, definition=definition)
    path = tmp_path / "report.html"
    write_study_report(StoredSource(repository, study), path)
    told = path.read_text(encoding="utf-8").count("so a share of the trials is no share of the search")
    assert (told >= 2) is (sampler == "boundary")
    assert (told == 0) is (sampler == "qmc")


def test_a_report_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path) -> None:
    """A real write error: this process may not write files of more than a few bytes."""
    path = tmp_path / "report.html"
    path.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"report\.html: cannot be written: File too large; nothing was changed"):
            write_output(path, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["report.html"]


def test_a_report_in_an_impossible_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written: Not a directory"):
        write_output(tmp_path / "file" / "report.html", b"x")


def test_a_large_study_is_counted_whole_and_shown_in_part(tmp_path: Path) -> None:
    """The file keeps its size: an even choice is listed, a sample drawn."""
    url = f"sqlite:///{tmp_path / 'large.db'}"
    build_large_study(url, 6_000, seed=0)
    database = Database.open(url)
    repository = Repository(database)
    path = tmp_path / "r.html"
    page = written(repository, repository.get_study(LARGE_STUDY), path)
    database.close()
    content = payload_of(page)
    assert "3000 of 6000 trials are listed, evenly chosen" in page.text
    assert len(content["trials"]) == 3000
    assert len(content["details"]) <= 400
    counts = content["csv"]["counts-batch-size"].splitlines()[1:]
    total = sum(int(line.split(",")[3]) for line in counts)
    assert 5_900 < total < 6_000  # the failed ones are not counted
    assert f"Of {total} trials, 3000 random ones are drawn; all are counted." in page.text
    assert path.stat().st_size < 10e6
