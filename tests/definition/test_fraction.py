"""Two-level fractions: what they can tell, verified with numbers, and what they say that they cannot."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.linalg import hadamard

from stability_sweep.definition.fraction import aliased_interactions, aliases_in_words, fraction

REMEDIES = range(1, 21)


def signs(remedies: int) -> np.ndarray:
    """1 where a remedy is off, -1 where it is on, (runs, remedies)."""
    return 1 - 2 * np.array(fraction(remedies), dtype=int)


@pytest.mark.parametrize("remedies", REMEDIES)
def test_main_effects_are_orthogonal_to_each_other_and_to_every_interaction_of_two(remedies: int) -> None:
    main = signs(remedies)
    assert np.array_equal(main.T @ main, len(main) * np.eye(remedies, dtype=int))
    assert not main.sum(axis=0).any()  # every remedy is on in half of the runs
    for first, second in combinations(range(remedies), 2):
        assert not (main.T @ (main[:, first] * main[:, second])).any()


@pytest.mark.parametrize("remedies", REMEDIES)
def test_the_first_run_is_the_baseline_and_no_run_comes_twice(remedies: int) -> None:
    runs = fraction(remedies)
    assert not any(runs[0])
    assert len(set(runs)) == len(runs)
    assert remedies <= len(runs) // 2 < max(2, 2 * remedies)


@pytest.mark.parametrize("remedies", REMEDIES)
def test_a_run_and_its_mirror_image_are_neighbours(remedies: int) -> None:
    main = signs(remedies)
    assert np.array_equal(main[::2], -main[1::2])


@pytest.mark.parametrize("remedies", REMEDIES)
def test_its_columns_are_those_of_the_hadamard_matrix(remedies: int) -> None:
    half = signs(remedies)[::2]
    assert np.array_equal(half, hadamard(len(half))[:, :remedies])


@pytest.mark.parametrize("remedies", REMEDIES)
def test_two_interactions_are_aliased_where_their_columns_are_the_same_and_only_there(remedies: int) -> None:
    main = signs(remedies)
    group_of = {pair: index for index, pairs in enumerate(aliased_interactions(remedies)) for pair in pairs}
    for one, other in combinations(combinations(range(remedies), 2), 2):
        product = (main[:, one[0]] * main[:, one[1]]) @ (main[:, other[0]] * main[:, other[1]])
        assert product in (0, len(main))
        assert (product != 0) == (one in group_of and group_of.get(one) == group_of.get(other))


def test_the_words_name_a_few_aliases_and_count_the_others() -> None:
    assert aliases_in_words(["A", "B", "C"]) == (
        "main effects are clear of each other and of interactions of two, and these of each other"
    )
    assert aliases_in_words(["A", "B", "C", "D"]) == (
        "main effects are clear of each other and of interactions of two; these are aliased with each other: "
        "A x B with C x D, A x C with B x D, A x D with B x C"
    )
    assert aliases_in_words(list("ABCDEF")).endswith(", and 4 more such groups")
