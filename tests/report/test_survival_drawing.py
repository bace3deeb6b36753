"""Small multiples of survival curves: a panel per group, legible with few groups and with many."""

from __future__ import annotations

import pandas as pd
import pytest

from stability_sweep.report.panels.survival_drawing import ROW_HEIGHT, survival_figure
from stability_sweep.report.theme import CONTEXT, QUALITATIVE


def curves(groups: int, label: str = "band") -> pd.DataFrame:
    rows = [
        {
            "group": group,
            "label": f"{label} {group}",
            "step": step,
            "survival": 1 - 0.001 * step * (group + 1) / groups,
            "low": 0.0,
            "high": 1.0,
            "at_risk": 10,
            "events": 1,
            "total": 10,
        }
        for group in range(groups)
        for step in (0, 1, 10, 400)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("groups", [1, 2, 5, 12])
def test_every_group_has_a_panel_of_its_own_with_its_name_and_room_enough(groups: int) -> None:
    figure = survival_figure(curves(groups))
    assert [note.text for note in figure.layout.annotations] == [f"band {n}<br>10 trials" for n in range(groups)]
    own = [trace for trace in figure.data if trace.line.color == QUALITATIVE[0]]
    assert len({trace.yaxis for trace in own}) == len(own) == groups
    rows = -(-groups // 2)
    tall = [axis.domain[1] - axis.domain[0] for axis in figure.select_yaxes()]
    inner = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
    assert len(tall) >= groups
    assert min(tall) * inner > 0.9 * ROW_HEIGHT
    assert figure.layout.height >= rows * ROW_HEIGHT


def test_the_other_groups_stand_behind_each_and_a_single_one_has_none() -> None:
    figure = survival_figure(curves(3))
    behind = [trace for trace in figure.data if trace.line.color == CONTEXT]
    assert len(behind) == 3
    assert all(list(trace.x).count(None) == 3 for trace in behind)
    assert not any(trace.line.color == CONTEXT for trace in survival_figure(curves(1)).data)


def test_all_panels_have_the_same_axes() -> None:
    figure = survival_figure(curves(4))
    assert len({tuple(axis.range) for axis in figure.select_xaxes()}) == 1
    assert len({tuple(axis.range) for axis in figure.select_yaxes()}) == 1


def test_the_name_of_a_group_is_text() -> None:
    figure = survival_figure(curves(2, '<a href="https://example.org">x</a>'))
    assert all("<a" not in note.text for note in figure.layout.annotations)
