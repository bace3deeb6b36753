"""The keys of the page's context and payload are those that the docs list and the page uses, neither more nor less."""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pytest

import stability_sweep.report.page
from stability_sweep.report import write_study_report
from stability_sweep.report.blocks import Exhibit, KeyFigure, Section, Table
from stability_sweep.report.page.choices import ChoiceDetail
from stability_sweep.report.page.context import AnswerBlock, PageContext
from stability_sweep.report.page.payload import AutopsyDetail, Payload, TrialDetail
from stability_sweep.results.autopsy import Autopsy, ProbedTensor
from stability_sweep.results.outcome import Divergence, Outcome, Symptom
from stability_sweep.results.telemetry import Telemetry
from stability_sweep.sources import StoredSource
from stability_sweep.storage import Repository
from stability_sweep.storage.schema import AutopsyRow, TelemetryRow
from stability_sweep.targets.rhvae.signals import SHOWN_SIGNALS, SIGNALS
from tests.conftest import ROOT, StudyBuilder, diverges_above, make_result
from tests.report.test_page import Soup, payload_of

PAGE = (ROOT / "docs" / "page-context.md").read_text(encoding="utf-8")
TEMPLATES = Path(stability_sweep.report.page.__file__).parent / "templates"
SCRIPT = "".join(path.read_text(encoding="utf-8") for path in sorted(TEMPLATES.glob("*.js")))

SEEN_BY_THE_TEMPLATE = (PageContext, AnswerBlock, KeyFigure, Section, Exhibit, Table)
SEEN_BY_THE_SCRIPT = (Payload, TrialDetail, AutopsyDetail, ChoiceDetail)


def documented(kind: type) -> set[str]:
    section = PAGE.split(f"\n## {kind.__name__}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE))


def keys(kind: Any) -> set[str]:
    properties = {name for name, value in vars(kind).items() if isinstance(value, property)}
    return {field.name for field in dataclasses.fields(kind)} | properties


@pytest.mark.parametrize("kind", [*SEEN_BY_THE_TEMPLATE, *SEEN_BY_THE_SCRIPT])
def test_the_docs_list_every_key_and_no_other(kind: type) -> None:
    assert documented(kind) == keys(kind)


def test_the_template_uses_every_key(
    repository: Repository, finished_study: StudyBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that is gone fails by itself: the template is strict."""
    used: dict[type, set[str]] = defaultdict(set)

    def record(self: jinja2.Environment, thing: Any, attribute: str) -> Any:
        used[type(thing)].add(attribute)
        return found(self, thing, attribute)

    found = jinja2.Environment.getattr
    monkeypatch.setattr(jinja2.Environment, "getattr", record)
    study = finished_study(diverges_above(1e-3), trials=20)
    write_study_report(StoredSource(repository, study), tmp_path / "r.html")
    for kind in SEEN_BY_THE_TEMPLATE:
        assert used[kind] == keys(kind), kind


def test_the_script_uses_every_key() -> None:
    connect = re.search(r"constructor\(\{ (.*?) \}\)", SCRIPT)
    assert connect is not None
    content = set(connect[1].split(", ")) | set(re.findall(r"\bcontent\.(\w+)", SCRIPT))
    autopsy = set(re.findall(r"\bdetail\.autopsy\.(\w+)", SCRIPT))
    detail = set(re.findall(r"\bdetail\.(\w+)", SCRIPT))
    assert content == keys(Payload)
    assert detail == keys(TrialDetail)
    assert autopsy == keys(AutopsyDetail)
    assert set(re.findall(r"\bchoice\.(\w+)", SCRIPT)) == keys(ChoiceDetail)


def test_the_payload_has_these_keys(repository: Repository, finished_study: StudyBuilder, tmp_path: Path) -> None:
    """One trial with telemetry and an autopsy, one whose telemetry is damaged, one of which nothing is kept."""
    divergence = Divergence(step=3, symptom=Symptom.NAN_LOSS, origin="metric.factor", cause="exp_overflow")
    study = finished_study(lambda point: make_result(Outcome.DIVERGED, divergence=divergence), trials=3)
    ids = repository.trial_ids(study, [0, 1])
    telemetry = Telemetry(np.arange(1, 101), np.ones((100, len(SIGNALS))), tuple(SIGNALS))
    repository.save_telemetry(ids[0], telemetry)
    trail = (ProbedTensor(name="metric.factor", shape=(2,), smallest=1.0, largest=2.0, infinite=1),)
    autopsy = Autopsy(step=3, cause="exp_overflow", origin="metric.factor", largest_finite=2.0, trail=trail)
    with repository.database.session() as session:
        session.add(AutopsyRow(trial_id=ids[0], content=autopsy.to_bytes()))
        session.add(TelemetryRow(trial_id=ids[1], content=b"damaged"))
    write_study_report(StoredSource(repository, study), tmp_path / "r.html")
    content = payload_of(Soup((tmp_path / "r.html").read_text(encoding="utf-8"), "html.parser"))
    assert set(content) == keys(Payload)
    assert set(content["details"]) == {"0", "1"}
    whole, broken = content["details"]["0"], content["details"]["1"]
    assert set(whole) | set(broken) == keys(TrialDetail)
    assert set(broken) == {"damaged"}
    assert set(whole["autopsy"]) == keys(AutopsyDetail)
    assert set(whole["signals"]) == set(SIGNALS)
    assert list(whole["signals"])[: len(SHOWN_SIGNALS)] == list(SHOWN_SIGNALS)
    assert {name for name, values in whole["signals"].items() if len(values) == 48} == set(SHOWN_SIGNALS)
    assert {len(values) for values in whole["signals"].values()} == {16, 48}
    assert (whole["measured"], whole["last_step"]) == (100, 100)
