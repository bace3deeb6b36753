"""The panels of a report: what they need, what they say where it is missing, and how another package adds one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from stability_sweep import registry
from stability_sweep.analysis import Analysis
from stability_sweep.errors import DefinitionError
from stability_sweep.report import analyse_study
from stability_sweep.report.panels.registry import PANELS, report_sections
from stability_sweep.sources import StoredSource
from stability_sweep.storage import Repository
from tests.conftest import StudyBuilder, diverges_above, make_result

OWN = ("maps", "time", "limits", "effects", "claims", "origins", "best")

PACKAGE = """
from stability_sweep.report.blocks import Exhibit
from stability_sweep.report.panels.panel import Panel


class Slowest(Panel):
    key = "slowest"
    title = "The slowest trial"

    def text(self, analysis):
        return ""

    def exhibits(self, analysis):
        seconds = analysis.trials["wall_seconds"].max()
        return [Exhibit("", f"It took {seconds:.0f} s.")]


PANEL = Slowest()
"""


@pytest.fixture
def analysis(repository: Repository, finished_study: StudyBuilder) -> Analysis:
    return analyse_study(StoredSource(repository, finished_study(diverges_above(1e-3), trials=12)))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package beside ours whose entry point adds a panel."""
    (tmp_path / "slow_panel.py").write_text(PACKAGE)
    information = tmp_path / "slow_panel-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: slow-panel\nVersion: 1\n")
    (information / "entry_points.txt").write_text("[stability_sweep.panels]\nslowest = slow_panel:PANEL\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry._entry_points.cache_clear()
    yield tmp_path
    registry._entry_points.cache_clear()


@pytest.mark.parametrize("key", OWN)
def test_a_panel_stands_in_the_registry_under_its_own_key_and_needs_what_an_analysis_has(key: str) -> None:
    panel = PANELS[key]
    assert panel.key == key
    assert panel.title
    assert set(panel.needs) <= {field.name for field in dataclasses.fields(Analysis)}


def test_the_sections_come_in_the_order_of_the_registry(analysis: Analysis) -> None:
    assert PANELS.names() == OWN
    assert [section.key for section in report_sections(analysis)] == list(OWN)


def test_without_what_it_needs_a_panel_says_so_or_is_left_out(
    repository: Repository, finished_study: StudyBuilder
) -> None:
    study = finished_study(lambda point: make_result(), trials=2)
    analysis = analyse_study(StoredSource(repository, study))
    claims = PANELS["claims"].build(analysis)
    assert [exhibit.caption for exhibit in claims.exhibits] == [PANELS["claims"].absent]
    assert PANELS["limits"].build(analysis).exhibits == []
    assert [section.key for section in report_sections(analysis)] == [key for key in OWN if key != "limits"]


def test_an_installed_package_can_add_a_panel(analysis: Analysis, installed: Path) -> None:
    sections = report_sections(analysis)
    assert [section.key for section in sections] == [*OWN, "slowest"]
    assert sections[-1].exhibits[0].caption == "It took 1 s."


def test_a_panel_that_cannot_be_imported_is_told_with_its_package(analysis: Analysis, installed: Path) -> None:
    (installed / "slow_panel-1.dist-info" / "entry_points.txt").write_text(
        "[stability_sweep.panels]\nslowest = no_such_module:PANEL\n"
    )
    with pytest.raises(DefinitionError, match=r"'slowest' .* adds it to stability_sweep.panels cannot be imported"):
        report_sections(analysis)
