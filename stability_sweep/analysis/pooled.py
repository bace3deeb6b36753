"""Several studies as one: the dimensions that they have in common, and which study is a remedy against the first."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from stability_sweep.analysis.analysis import Analysis
from stability_sweep.analysis.effects import hazard_effects
from stability_sweep.analysis.remedies import COLUMNS, Remedies, judge_remedies
from stability_sweep.results import columns
from stability_sweep.sources.frame import RESULT_COLUMNS
from stability_sweep.sources.protocol import EpochsOf
from stability_sweep.space.axes import Axis, axis_of
from stability_sweep.space.dimensions import Choices, Dimension, Point, Range
from stability_sweep.space.roles import BATCH_SIZE
from stability_sweep.space.search_space import SearchSpace

NOTHING_IN_COMMON = "The studies search no dimension in common, so none of them can be judged against the first."
HORIZONS_DIFFER = (
    "The horizons of the studies differ: whoever trains longer has more time to diverge, so no remedy is judged. "
    "Compare the curves by step."
)


def common_axes(spaces: Sequence[SearchSpace]) -> dict[str, Axis]:
    """Axes of the dimensions that all studies search, long enough for all."""
    first, *others = spaces
    names = [name for name in first.searched if all(name in other.searched for other in others)]
    merged = {name: _merged_all([space[name] for space in spaces]) for name in names}
    return SearchSpace({name: dimension for name, dimension in merged.items() if dimension is not None}).axes


def common_role_axis(spaces: Sequence[SearchSpace], role: str) -> Axis | None:
    """An axis of the dimension that has a role, whatever a study calls it, long enough for all.

    None unless all search it, or where a range meets a list.
    """
    found = [space.searched_role_axis(role) for space in spaces]
    dimensions = [space[axis.name] for space, axis in zip(spaces, found, strict=True) if axis is not None]
    if len(dimensions) < len(spaces):
        return None
    dimension, first = _merged_all(dimensions), found[0]
    return None if dimension is None or first is None else axis_of(first.name, dimension)


def have_same_horizons(analyses: Sequence[Analysis]) -> bool:
    """Whether the studies' trials were to run equally long; of a horizon in epochs, at every batch size."""
    some = [analysis for analysis in analyses if len(analysis.trials)]
    words = {analysis.study.horizon_in_words for analysis in some}
    if len(words) > 1 or None in words:
        return len({frozenset(analysis.trials[columns.HORIZON]) for analysis in some}) <= 1
    by_size: dict[object, set[int]] = {}
    for analysis in some:
        batch, horizons = analysis.study.space.role(BATCH_SIZE), analysis.trials[columns.HORIZON].tolist()
        sizes = [None] * len(horizons) if batch is None else analysis.trials[batch].tolist()
        for size, horizon in zip(sizes, horizons, strict=True):
            by_size.setdefault(size, set()).add(int(horizon))
    return all(len(horizons) == 1 for horizons in by_size.values())


def judge_studies(analyses: Sequence[Analysis]) -> Remedies:
    """Judge every study as a remedy against the first, over the dimensions that all have in common.

    Which study a trial belongs to is one more dimension of all their trials. Where that says nothing (no dimension in
    common, or horizons that differ) the table is empty, and the note tells why.

    Args:
        analyses: at least two, of studies of different names.
    """
    shared = _shared([analysis.study.space for analysis in analyses])
    if not any(name in analyses[0].study.space.searched for name in shared):
        return Remedies(pd.DataFrame(columns=COLUMNS), NOTHING_IN_COMMON)
    if not have_same_horizons(analyses):
        return Remedies(pd.DataFrame(columns=COLUMNS), HORIZONS_DIFFER)
    trials, space = pooled_trials(analyses), pooled_space(analyses)
    return judge_remedies(trials, space, hazard_effects(trials, space).table, epochs_of=_epochs_of(analyses))


def pooled_space(analyses: Sequence[Analysis]) -> SearchSpace:
    """The dimensions that all studies have, under the first one's names, and the study, whose baseline is the first."""
    first, shared = analyses[0].study.space, _shared([analysis.study.space for analysis in analyses])
    studies = tuple(analysis.study.name for analysis in analyses)
    roles = {role: name for role, name in first.roles.items() if name in shared}
    baseline = {**{name: value for name, value in first.baseline.items() if name in shared}, columns.STUDY: studies[0]}
    return SearchSpace({columns.STUDY: Choices(choices=studies), **shared}, roles, first.own, baseline)


def pooled_trials(analyses: Sequence[Analysis]) -> pd.DataFrame:
    """The trials of all studies, with a column that names their study."""
    spaces = [analysis.study.space for analysis in analyses]
    shared, frames = _shared(spaces), []
    for analysis, space in zip(analyses, spaces, strict=True):
        mine = {its: name for name, its in _names_in(spaces[0], space).items() if name in shared}
        frames.append(analysis.frame.rename(columns=mine).assign(**{columns.STUDY: analysis.study.name}))
    wanted = [columns.NUMBER, columns.STUDY, *shared, *RESULT_COLUMNS, columns.NEVER_MEASURED]
    kept = [name for name in wanted if all(name in frame for frame in frames)]
    # pandas would take the types of an empty frame into account, which are none.
    full = [frame[kept] for frame in frames if len(frame)] or [frames[0][kept]]
    return pd.concat(full, ignore_index=True)


def _epochs_of(analyses: Sequence[Analysis]) -> EpochsOf | None:
    """Steps in an epoch at a point of the pooled space; None unless all studies can tell."""
    first = analyses[0].study.space
    known = {
        analysis.study.name: (analysis.study.steps_per_epoch, _names_in(first, analysis.study.space))
        for analysis in analyses
    }
    if any(steps is None for steps, _ in known.values()):
        return None

    def epochs_of(point: Point) -> float | None:
        steps, names = known[str(point[columns.STUDY])]
        return steps({names[name]: value for name, value in point.items() if name in names}) if steps else None

    return epochs_of


def _shared(spaces: Sequence[SearchSpace]) -> dict[str, Dimension]:
    """The dimensions that all studies have, long enough for all, under the first one's names."""
    names_of = [_names_in(spaces[0], space) for space in spaces]
    common = [name for name in spaces[0] if all(name in names for names in names_of)]
    merged = {
        name: _merged_all([space[names[name]] for space, names in zip(spaces, names_of, strict=True)])
        for name in common
    }
    return {name: dimension for name, dimension in merged.items() if dimension is not None}


def _names_in(first: SearchSpace, other: SearchSpace) -> dict[str, str]:
    """What a study calls the dimensions of the first: those of the same role, or else of the same name."""
    role_of = {name: role for role, name in first.roles.items()}
    found = {name: other.role(role_of[name]) if name in role_of else name for name in first}
    return {name: its for name, its in found.items() if its is not None and its in other}


def _merged_all(dimensions: Sequence[Dimension]) -> Dimension | None:
    """A dimension that holds all of some; None where a range meets a list."""
    merged: Dimension | None = dimensions[0]
    for dimension in dimensions[1:]:
        merged = None if merged is None else _merged(merged, dimension)
    return merged


def _merged(first: Dimension, second: Dimension) -> Dimension | None:
    if isinstance(first, Choices) and isinstance(second, Choices):
        return Choices(choices=tuple(dict.fromkeys([*first.choices, *second.choices])))
    if isinstance(first, Range) and isinstance(second, Range) and first.log == second.log:
        return Range(
            low=min(first.low, second.low),
            high=max(first.high, second.high),
            log=first.log,
            off_share=max(first.off_share, second.off_share),
        )
    return None
