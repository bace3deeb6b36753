"""Bands of an axis, merged into few enough groups."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from stability_sweep.analysis.groups import MOST_GROUPS, BandGroups
from tests.analysis.watched import AXES
from tests.conftest import make_definition


@given(st.floats(1e-6, 1e-1), st.one_of(st.floats(0.1, 1000.0), st.just(math.inf)), st.floats(0.5, 2.0))
def test_a_group_holds_the_trials_of_its_bands(rate: float, norm: float, temperature: float) -> None:
    for name, value in (("learning_rate", rate), ("clip_norm", norm), ("model.temperature", temperature)):
        groups = BandGroups.of_axis(AXES[name])
        assert groups.of_values([value]).tolist() == [groups.of_band[AXES[name].band(value)]]


def test_neighbouring_bands_are_merged_and_off_stays_alone() -> None:
    labels = {name: BandGroups.of_axis(axis).labels for name, axis in AXES.items()}
    assert labels["learning_rate"][:2] == ("1e-6 to 1e-5", "1e-5 to 0.0001")
    assert labels["clip_norm"] == ("0.1 to 1", "1 to 10", "10 to 100", "100 to 1000", "off")
    assert labels["batch_size"] == ("16 to 32", "48", "64", "96", "128")
    assert labels["model.reconstruction_loss"] == ("mse", "bce")
    assert all(len(texts) <= MOST_GROUPS for texts in labels.values())


def test_off_among_choices_stays_alone_too() -> None:
    space = {"batch_size": 16, "clip_norm": [0.1, 1.0, "off", 10.0, 100.0, 1000.0]}
    groups = BandGroups.of_axis(make_definition(search_space=space).space.axes["clip_norm"])
    assert groups.labels == ("0.1 to 1", "10", "100", "1000", "off")
    assert groups.of_values([1.0, math.inf, 1000.0]).tolist() == [0, 4, 3]
