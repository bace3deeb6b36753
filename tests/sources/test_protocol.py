"""A study that somebody made by hand, from a table: no definition, no database, and yet a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from stability_sweep.analysis import Analysis, analyse
from stability_sweep.report.collect import analyse_study, write_study_report
from stability_sweep.results.autopsy import Autopsy
from stability_sweep.results.outcome import TrialResult
from stability_sweep.results.telemetry import Telemetry
from stability_sweep.sources.frame import column_names, frame_of
from stability_sweep.sources.protocol import OnDamaged, Source, StudyFacts
from stability_sweep.space import Choices, Range, SearchSpace
from stability_sweep.space.roles import BATCH_SIZE, CLIP_NORM, LEARNING_RATE

SPACE = SearchSpace(
    {
        "learning_rate": Range(low=1e-5, high=1e-1, log=True),
        "batch_size": Choices(choices=(16, 64)),
        "clip_norm": Range(low=0.1, high=10.0, log=True, off_share=0.2),
    },
    roles={LEARNING_RATE: "learning_rate", BATCH_SIZE: "batch_size", CLIP_NORM: "clip_norm"},
)


class Table:
    """A source that is a table and nothing else."""

    def __init__(self, facts: StudyFacts, table: pd.DataFrame) -> None:
        self._facts = facts
        self._table = table

    @property
    def facts(self) -> StudyFacts:
        return self._facts

    @property
    def place(self) -> str:
        return "a table of runs"

    def frame(self) -> pd.DataFrame:
        return frame_of(self._table.to_dict("records"), column_names(self._facts.space))  # type: ignore[arg-type]

    def telemetries(
        self, *, most_per_outcome: int | None = None, on_damaged: OnDamaged | None = None
    ) -> Iterator[tuple[TrialResult, Telemetry]]:
        return iter(())

    def telemetries_of(
        self, numbers: Sequence[int], *, on_damaged: OnDamaged | None = None
    ) -> Iterator[tuple[int, Telemetry]]:
        return iter(())

    def autopsies_of(
        self, numbers: Sequence[int], *, on_damaged: OnDamaged | None = None
    ) -> Iterator[tuple[int, Autopsy]]:
        return iter(())


def runs(count: int = 60) -> pd.DataFrame:
    """What somebody noted of their runs: settings, how each ended, after how many steps."""
    generator = np.random.default_rng(0)
    rate = 10 ** generator.uniform(-5, -1, count)
    diverged = rate * generator.uniform(0.5, 2, count) > 1e-3
    steps = np.where(diverged, generator.integers(1, 500, count), 500)
    return pd.DataFrame(
        {
            "number": range(count),
            "learning_rate": rate,
            "batch_size": generator.choice([16, 64], count),
            "clip_norm": 10 ** generator.uniform(-1, 1, count),
            "outcome": np.where(diverged, "diverged", "stable"),
            "divergence_step": pd.Series(steps).where(diverged),
            "steps": steps,
            "horizon": 500,
            "final_loss": np.where(diverged, np.nan, 0.1 + rate),
            "yardstick": np.where(diverged, np.nan, 0.2 + rate),
        }
    )


def source() -> Source:
    return Table(StudyFacts(name="by-hand", space=SPACE, subject="a network of somebody's"), runs())


def summary(analysis: Analysis) -> tuple[int, int, int]:
    return len(analysis.trials), len(analysis.maps), int(analysis.effects.table["events"].max())


def test_it_is_analysed_like_any_other() -> None:
    made = source()
    found = analyse(made.facts, made.frame())
    assert summary(found) == (60, 3, (runs()["outcome"] == "diverged").sum())
    rate = found.effects.table[found.effects.table["dimension"] == "learning_rate"]
    assert (rate["low"] > 1).all()
    assert found.limits["limit"].dropna().between(1e-4, 2e-3).all()
    assert not found.best.empty
    assert {"trials", "speed-limits", "effects", "map-learning-rate-batch-size"} < set(found.tables())


def test_it_is_reported_like_any_other(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    written = write_study_report(source(), page)
    assert summary(written) == summary(analyse_study(source()))
    text = page.read_text(encoding="utf-8")
    assert "by-hand" in text
    assert "a network of somebody" in text
    assert "a table of runs" in text
