"""The panels of a report: what they need, what they say where it is missing, and how another package adds one."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stability_sweep.analysis import Analysis, table_names
from stability_sweep.errors import DefinitionError
from stability_sweep.report import analyse_study
from stability_sweep.report.panels.registry import PANELS, report_sections
from stability_sweep.sources import StoredSource
from stability_sweep.storage import Repository
from tests.conftest import StudyBuilder, diverges_above, make_result
from tests.report.test_page import Soup
from tests.waiting import HANG_SECONDS

OWN = ("maps", "trust", "time", "limits", "remedies", "effects", "claims", "origins", "best")

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


def report_beside_a_package(path: Path, entry_point: str) -> subprocess.CompletedProcess[str]:
    """The program writes a report where a package is installed whose entry point adds a panel."""
    packages = path / "packages"
    information = packages / "slow_panel-1.dist-info"
    information.mkdir(parents=True)
    (packages / "slow_panel.py").write_text(PACKAGE)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: slow-panel\nVersion: 1\n")
    (information / "entry_points.txt").write_text(f"[{PANELS.group}]\nslowest = {entry_point}\n")
    url = f"sqlite:///{path / 'study.db'}"  # where `repository` is
    return subprocess.run(
        [sys.executable, "-m", "stability_sweep", "report", "small", "--storage", url, "--output", path / "r.html"],
        env={**os.environ, "PYTHONPATH": f"{packages}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("key", OWN)
def test_a_panel_stands_in_the_registry_under_its_own_key_and_needs_what_an_analysis_has(key: str) -> None:
    panel = PANELS[key]
    assert panel.key == key
    assert panel.title
    assert set(panel.needs) <= {field.name for field in dataclasses.fields(Analysis)}


def test_the_sections_come_in_the_order_of_the_registry(analysis: Analysis) -> None:
    assert PANELS.names() == OWN
    assert [section.key for section in report_sections(analysis)] == list(OWN)


def test_every_download_of_a_panel_is_a_table_of_the_analysis(analysis: Analysis) -> None:
    named = {exhibit.csv for section in report_sections(analysis) for exhibit in section.exhibits if exhibit.csv}
    assert {table_names.SPEED_LIMITS, table_names.survival_of("learning_rate")} < named
    assert named <= set(analysis.tables())


def test_without_what_it_needs_a_panel_says_so_or_is_left_out(
    repository: Repository, finished_study: StudyBuilder
) -> None:
    study = finished_study(lambda point: make_result(), trials=2)
    analysis = analyse_study(StoredSource(repository, study))
    claims = PANELS["claims"].build(analysis)
    assert [exhibit.caption for exhibit in claims.exhibits] == [PANELS["claims"].absent]
    assert PANELS["limits"].build(analysis).exhibits == []
    assert [section.key for section in report_sections(analysis)] == [key for key in OWN if key != "limits"]


def test_an_installed_package_can_add_a_panel(finished_study: StudyBuilder, tmp_path: Path) -> None:
    finished_study(diverges_above(1e-3), trials=12)
    done = report_beside_a_package(tmp_path, "slow_panel:PANEL")
    assert done.returncode == 0, done.stderr
    page = Soup((tmp_path / "r.html").read_text(encoding="utf-8"), "html.parser")
    assert [str(section["id"]) for section in page.select("main section")][-4:] == [
        "best",
        "slowest",
        "trials",
        "appendix",
    ]
    assert [caption.text for caption in page.select("#slowest figcaption")] == ["It took 1 s."]


def test_a_panel_that_cannot_be_imported_is_told_with_its_package(finished_study: StudyBuilder, tmp_path: Path) -> None:
    finished_study(diverges_above(1e-3), trials=12)
    done = report_beside_a_package(tmp_path, "no_such_module:PANEL")
    assert done.returncode == DefinitionError.exit_code
    assert "'slowest', which an installed package adds to stability_sweep.panels, cannot be imported" in done.stderr
    assert not (tmp_path / "r.html").exists()
