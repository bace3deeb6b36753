"""Several studies as one: what they have in common, whatever they call it, and when they cannot be judged together."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from stability_sweep.analysis import Analysis, analyse
from stability_sweep.analysis.baseline import baseline_point
from stability_sweep.analysis.pooled import (
    HORIZONS_DIFFER,
    NOTHING_IN_COMMON,
    common_axes,
    common_role_axis,
    have_same_horizons,
    judge_studies,
    pooled_space,
    pooled_trials,
)
from stability_sweep.sources.protocol import StudyFacts
from stability_sweep.space import Choices, Range, SearchSpace
from stability_sweep.space.roles import BATCH_SIZE, LEARNING_RATE, ROLES
from tests.analysis.test_roles import RENAMED, space_of, trials

PLAIN = {role: role for role in ROLES}


def rates(low: float, high: float, **others: Range | Choices) -> SearchSpace:
    roles = {role: role for role in ROLES if role in others or role == LEARNING_RATE}
    return SearchSpace({LEARNING_RATE: Range(low=low, high=high, log=True), **others}, roles)


@pytest.fixture(scope="module")
def plain() -> Analysis:
    space = space_of(PLAIN)
    return analyse(StudyFacts(name="plain", space=space, subject="a network"), trials(space, PLAIN, 20))


def named(analysis: Analysis, name: str, frame: pd.DataFrame | None = None, **facts: object) -> Analysis:
    study = dataclasses.replace(analysis.study, name=name, **facts)  # type: ignore[arg-type]
    return dataclasses.replace(analysis, study=study, frame=analysis.frame if frame is None else frame)


def test_axes_are_long_enough_for_all_studies() -> None:
    sizes = [Choices(choices=(16, 32)), Choices(choices=(32, 64)), Choices(choices=(8, 16))]
    axes = common_axes(
        [rates(1e-4, 1e-2, batch_size=each) for each in sizes] + [rates(1e-6, 1e-3, batch_size=sizes[0])]
    )
    assert axes[LEARNING_RATE].edges[0] == -6
    assert axes[LEARNING_RATE].edges[-1] == -2
    assert axes[BATCH_SIZE].values == (8, 16, 32, 64)


def test_a_dimension_that_one_study_lacks_or_lists_where_others_have_a_range_is_not_common() -> None:
    listed = Choices(choices=(0.0, 0.9))
    spaces = [
        rates(1e-4, 1e-2, momentum=Range(low=0.0, high=0.9)),
        rates(1e-4, 1e-2, momentum=listed),
        rates(1e-4, 1e-2, momentum=listed),
    ]
    assert list(common_axes(spaces)) == [LEARNING_RATE]
    assert list(common_axes([*spaces[1:], rates(1e-4, 1e-2)])) == [LEARNING_RATE]


def test_a_role_is_common_whatever_the_studies_call_it_if_all_of_them_have_it() -> None:
    spaces = [space_of(PLAIN), space_of(RENAMED), space_of(PLAIN)]
    axis = common_role_axis(spaces, BATCH_SIZE)
    assert axis is not None
    assert (axis.name, axis.values) == (BATCH_SIZE, (16, 32, 64, 128, 256, 512))
    assert common_role_axis([*spaces, rates(1e-4, 1e-2)], BATCH_SIZE) is None


def test_pooled_trials_know_their_study_and_go_by_the_names_of_the_first(plain: Analysis) -> None:
    space = space_of(RENAMED)
    renamed = dataclasses.replace(
        plain, study=dataclasses.replace(plain.study, name="renamed", space=space), frame=trials(space, RENAMED, 30)
    )
    analyses = [plain, renamed, named(plain, "empty", plain.frame.head(0))]
    frame, pooled = pooled_trials(analyses), pooled_space(analyses)
    assert frame["study"].value_counts().to_dict() == {"plain": 20, "renamed": 30}
    assert set(pooled) == {"study", *ROLES}
    assert pooled.roles == PLAIN
    assert not frame[[*pooled]].isna().any(axis=None)
    assert frame.dtypes["horizon"] == plain.frame.dtypes["horizon"]


def test_the_first_study_is_the_baseline(plain: Analysis) -> None:
    assert baseline_point(pooled_space([named(plain, "b"), named(plain, "a")]))["study"] == "b"


def test_horizons_are_compared_as_steps_and_in_epochs_at_every_batch_size(plain: Analysis) -> None:
    longer = named(plain, "longer", plain.frame.assign(horizon=400))
    assert have_same_horizons([plain, named(plain, "again"), named(plain, "empty", plain.frame.head(0))])
    assert not have_same_horizons([plain, longer])
    by_size = plain.frame.assign(horizon=(6400 / plain.frame["batch_size"]).astype("int64"))
    epochs = named(plain, "epochs", by_size, horizon_in_words="10 epochs")
    some = named(epochs, "some", by_size.head(3))
    assert have_same_horizons([epochs, some])
    assert not have_same_horizons([epochs, named(some, "more", by_size.assign(horizon=2 * by_size["horizon"]))])
    assert not have_same_horizons([plain, epochs])


def test_studies_with_nothing_in_common_or_other_horizons_are_not_judged(plain: Analysis) -> None:
    momentum = SearchSpace({"momentum": Range(low=0.0, high=0.9)})
    other = named(plain, "other", plain.frame.assign(momentum=0.5), space=momentum)
    assert judge_studies([plain, other]).note == NOTHING_IN_COMMON
    longer = named(plain, "longer", plain.frame.assign(horizon=400))
    found = judge_studies([plain, longer])
    assert found.table.empty
    assert found.note == HORIZONS_DIFFER


def test_a_study_that_diverges_at_larger_rates_alone_is_found_to_help(plain: Analysis) -> None:
    space = space_of(PLAIN)
    first = named(plain, "first", trials(space, PLAIN, 80))
    is_late = first.frame["learning_rate"] < 10 * first.frame["learning_rate"].median()
    calm = first.frame.assign(outcome=first.frame["outcome"].mask(is_late, "stable"))
    found = judge_studies([first, named(plain, "calm", calm)]).table.set_index("remedy")
    row = found.loc["study calm instead of first"]
    assert row["verdict"] == "helps"
    assert row["low"] > 0
    assert row["trials"] == 80
