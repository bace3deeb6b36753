"""A report knows dimensions by their roles: it is the same whatever they are called, and lacks what a study lacks."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from stability_sweep.analysis import Analysis, analyse
from stability_sweep.analysis.pooled import common_role_axis
from stability_sweep.report.blocks import Exhibit
from stability_sweep.report.comparison import write_comparison
from stability_sweep.report.files.json_file import report_json
from stability_sweep.report.panels.key_figures import key_figures
from stability_sweep.report.panels.registry import report_sections
from stability_sweep.report.study_report import write_report
from stability_sweep.report.summary import summary_sentences
from stability_sweep.sources.protocol import StudyFacts
from stability_sweep.space.roles import BATCH_SIZE, CLIP_NORM, LEARNING_RATE, ROLES
from tests.analysis.test_roles import RENAMED, analysis_without, space_of, trials

PLAIN = {role: role for role in ROLES}
LACKING = [lacking for count in range(len(ROLES) + 1) for lacking in itertools.combinations(ROLES, count)]


def analysed(names: dict[str, str], name: str = "study") -> Analysis:
    space = space_of(names)
    frame = trials(space, names).assign(final_loss=30.0, wall_seconds=1.0)
    return analyse(StudyFacts(name=name, space=space, subject="a network", definition_json="{}"), frame)


@pytest.fixture(scope="module")
def plain() -> Analysis:
    return analysed(PLAIN)


@pytest.fixture(scope="module")
def renamed() -> Analysis:
    return analysed(RENAMED, "renamed")


def exhibits(analysis: Analysis) -> list[Exhibit]:
    return [exhibit for section in report_sections(analysis) for exhibit in section.exhibits]


def test_a_study_of_other_names_has_the_same_exhibits(plain: Analysis, renamed: Analysis) -> None:
    one, other = exhibits(plain), exhibits(renamed)
    assert len(one) > 12
    assert [(each.figure is None, each.table is None, each.slices) for each in one] == [
        (each.figure is None, each.table is None, each.slices) for each in other
    ]
    for mine, theirs in zip(one, other, strict=True):
        if mine.figure is not None and theirs.figure is not None:
            assert [trace.type for trace in mine.figure.data] == [trace.type for trace in theirs.figure.data]


def test_what_is_told_by_role_is_told_in_the_same_words(plain: Analysis, renamed: Analysis) -> None:
    for key, place in (("limits", 0), ("origins", 1), ("best", 1)):
        found = [
            section.exhibits[place].caption
            for analysis in (plain, renamed)
            for section in report_sections(analysis)
            if section.key == key
        ]
        assert len(found) == 2
        assert found[0] == found[1]
    mine, theirs = (summary_sentences(each) for each in (plain, renamed))
    assert mine == theirs
    values = [[(figure.value, figure.label) for figure in key_figures(each)] for each in (plain, renamed)]
    assert values[0] == values[1]


def test_the_tables_for_programs_have_the_same_columns(plain: Analysis, renamed: Analysis) -> None:
    one, other = (report_json(each)["tables"] for each in (plain, renamed))
    assert one["speed-limits"] == other["speed-limits"]
    assert one["origins"] == other["origins"]


@pytest.mark.parametrize("lacking", LACKING, ids=" and ".join)
def test_a_study_may_lack_any_role_and_has_a_page(lacking: tuple[str, ...], tmp_path: Path) -> None:
    analysis = analysis_without(*lacking)
    path = tmp_path / "report.html"
    write_report(path, analysis, storage="nowhere")
    page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    assert (page.select_one("#limits") is None) == (LEARNING_RATE in lacking)
    limits = report_json(analysis)["tables"]["speed-limits"]
    assert all((row["batch_size"] is None) == (BATCH_SIZE in lacking) for row in limits)
    told = page.select_one("#limits figcaption")
    if told is None:
        return
    assert ("batch size" in told.text.split("the largest")[0]) == (BATCH_SIZE not in lacking)
    assert ("clip norm" in told.text) == (CLIP_NORM not in lacking)
    assert "None" not in told.text
    figure = next(section for section in report_sections(analysis) if section.key == "limits").exhibits[0].figure
    assert figure is not None
    assert "None" not in str([(trace.name, trace.text) for trace in figure.data])


def test_studies_that_call_their_dimensions_differently_have_their_limits_compared(
    plain: Analysis, renamed: Analysis, tmp_path: Path
) -> None:
    axis = common_role_axis([plain.study.space, renamed.study.space], BATCH_SIZE)
    assert axis is not None
    assert (axis.name, axis.values) == (BATCH_SIZE, (16, 32, 64, 128, 256, 512))
    write_comparison(tmp_path / "both.html", [plain, renamed], storage="nowhere")
    page = BeautifulSoup((tmp_path / "both.html").read_text(encoding="utf-8"), "html.parser")
    assert "renamed: At batch size 64 and clip norm off" in page.select("#limits figcaption")[0].text


def test_limits_are_compared_where_both_studies_have_a_batch_size_or_neither(plain: Analysis, tmp_path: Path) -> None:
    short, unclipped = analysis_without(BATCH_SIZE, CLIP_NORM), analysis_without(CLIP_NORM)
    again = replace(short, study=replace(short.study, name="again"))
    pairs = ((short, again, True), (plain, short, False), (plain, unclipped, True))
    for number, (one, other, has_limits) in enumerate(pairs):
        path = tmp_path / f"{number}.html"
        write_comparison(path, [one, other], storage="nowhere")
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        assert bool(page.select("#limits")) == has_limits
