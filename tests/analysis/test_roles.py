"""Analysis knows dimensions by their roles: their names do not matter, and a study may lack any of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stability_sweep.analysis import Analysis, analyse, divergence_origins
from stability_sweep.analysis.effects import hazard_effects
from stability_sweep.analysis.precision import line_precision
from stability_sweep.analysis.speed_limit import speed_limits
from stability_sweep.analysis.surface import fit_surface
from stability_sweep.sources.frame import column_names, frame_of
from stability_sweep.sources.protocol import StudyFacts
from stability_sweep.space import Choices, Range, SearchSpace
from stability_sweep.space.roles import BATCH_SIZE, CLIP_NORM, LEARNING_RATE, ROLES
from tests.analysis.simulation import simulate, soft

RENAMED = {LEARNING_RATE: "lr", BATCH_SIZE: "examples", CLIP_NORM: "largest norm"}
DIMENSIONS: dict[str, Range | Choices] = {
    LEARNING_RATE: Range(low=1e-6, high=1e-1, log=True),
    BATCH_SIZE: Choices(choices=(16, 32, 64, 128, 256, 512)),
    CLIP_NORM: Range(low=0.1, high=1000.0, log=True, off_share=0.2),
}


def trials(space: SearchSpace, names: dict[str, str], count: int = 80) -> pd.DataFrame:
    """Simulated trials of a space, with steps and causes; of a dimension that it lacks nothing is known."""
    found = simulate(soft, count, seed=2)
    steps = np.random.default_rng(2).integers(1, 100, count)
    records = [
        {
            "number": row["number"],
            "outcome": row["outcome"],
            "divergence_step": step if row["outcome"] == "diverged" else None,
            "divergence_cause": "loss_overflow" if row["outcome"] == "diverged" else None,
            "steps": step if row["outcome"] == "diverged" else 100,
            "horizon": 100,
            "yardstick": row["yardstick"],
            **{names[role]: row[role] for role in ROLES if names[role] in space},
        }
        for row, step in zip(found.to_dict("records"), steps.tolist(), strict=True)
    ]
    return frame_of(records, column_names(space))


def space_of(names: dict[str, str]) -> SearchSpace:
    return SearchSpace({name: DIMENSIONS[role] for role, name in names.items()}, roles=names)


def analysis_without(*roles: str) -> Analysis:
    """Of a study whose dimensions lack roles; a momentum stands where nothing else would be searched."""
    names = {role: role for role in ROLES if role not in roles}
    space = SearchSpace(
        {**{name: DIMENSIONS[name] for name in names}, "momentum": Range(low=0.0, high=0.99)}, roles=names
    )
    frame = trials(space, {role: role for role in ROLES})
    frame["momentum"] = np.random.default_rng(3).uniform(0, 0.99, len(frame))
    return analyse(StudyFacts(name="short", space=space, subject="a network"), frame)


def test_a_dimension_may_have_any_name() -> None:
    plain, renamed = space_of({role: role for role in ROLES}), space_of(RENAMED)
    frame, other = trials(plain, {role: role for role in ROLES}), trials(renamed, RENAMED)
    one, two = fit_surface(frame, plain), fit_surface(other, renamed)
    assert one is not None
    assert two is not None
    pd.testing.assert_frame_equal(speed_limits(one, plain), speed_limits(two, renamed))
    assert line_precision(frame, plain) == line_precision(other, renamed)
    pd.testing.assert_frame_equal(divergence_origins(frame, plain), divergence_origins(other, renamed))
    words = ["effect", "dimension"]
    pd.testing.assert_frame_equal(
        hazard_effects(frame, plain).table.drop(columns=words), hazard_effects(other, renamed).table.drop(columns=words)
    )


def test_the_output_tables_keep_their_names() -> None:
    names = space_of(RENAMED)
    surface = fit_surface(trials(names, RENAMED), names)
    assert surface is not None
    assert {"batch_size", "clip", "clip_norm"} < set(speed_limits(surface, names).columns)


@pytest.mark.parametrize("role", ROLES)
def test_a_study_may_lack_a_role(role: str) -> None:
    found = analysis_without(role)
    assert found.limits.empty == (role == LEARNING_RATE)
    assert (line_precision(found.frame, found.study.space) is None) == (role == LEARNING_RATE)
    assert found.surface is not None
    assert len(found.maps) == 3
    assert set(found.survival) == set(ROLES) - {role}
    assert set(found.importance["dimension"]) == {*ROLES, "momentum"} - {role}
    assert found.origins_by_rate.empty == (role == LEARNING_RATE)
    assert found.origins["lowest_learning_rate"].isna().all() == (role == LEARNING_RATE)


def test_there_is_a_limit_for_whatever_there_is_beside_the_learning_rate() -> None:
    every = analysis_without().limits
    batches, clips = every["batch_size"].nunique(), every["clip"].nunique()
    assert (batches, clips, len(every)) == (6, 4, 24)
    for lacking, rows in (((BATCH_SIZE,), clips), ((CLIP_NORM,), batches), ((BATCH_SIZE, CLIP_NORM), 1)):
        found = analysis_without(*lacking)
        assert list(found.limits.columns) == list(every.columns)
        assert len(found.limits) == rows
        assert found.limits["batch_size"].isna().all() == (BATCH_SIZE in lacking)
        assert found.limits[["clip", "clip_norm"]].isna().all(axis=None) == (CLIP_NORM in lacking)
        known = line_precision(found.frame, found.study.space)
        assert known is not None
        assert (known.batch_size is None, known.clip is None) == (BATCH_SIZE in lacking, CLIP_NORM in lacking)


def test_a_limit_without_a_batch_size_is_where_half_of_the_trials_diverge() -> None:
    """In the truth of this study the line runs from 10^-3.25 at the smallest batch size to 10^-4.5 at the largest."""
    space = SearchSpace({LEARNING_RATE: DIMENSIONS[LEARNING_RATE]}, roles={LEARNING_RATE: LEARNING_RATE})
    surface = fit_surface(trials(space, {role: role for role in ROLES}, count=256), space)
    assert surface is not None
    (row,) = speed_limits(surface, space, tolerance=0.5).to_dict("records")
    assert row["status"] == "reached"
    assert 10**-4.5 < row["limit"] < 10**-3.25


def test_a_study_may_lack_all_roles() -> None:
    found = analysis_without(*ROLES)
    assert (found.maps, found.survival) == ([], {})
    assert all(table.empty for table in (found.limits, found.origins_by_rate))
    assert found.origins["trials"].sum() == (found.frame["outcome"] == "diverged").sum()
    assert found.importance["dimension"].tolist() == ["momentum"]
    assert "trials" in found.tables()
