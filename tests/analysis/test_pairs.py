from __future__ import annotations

from stability_sweep.analysis.pairs import blocks_of, without_partner
from tests.analysis.simulated import joint_study, paired_study, space_of

SPACE = space_of(2)


def test_trials_of_one_seed_at_one_point_are_a_block() -> None:
    blocks = blocks_of(paired_study([0.0, 0.0], 4), SPACE)
    assert blocks is not None
    assert blocks.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_trials_with_seeds_of_their_own_are_not_paired() -> None:
    assert blocks_of(joint_study([0.0, 0.0], 12), SPACE) is None


def test_one_seed_at_different_points_is_no_pair() -> None:
    frame = joint_study([0.0, 0.0], 12).assign(seed=7)
    assert blocks_of(frame, SPACE) is None


def test_without_its_baseline_a_block_has_no_pairs() -> None:
    frame = paired_study([0.0, 0.0], 3).drop(index=3)  # the baseline of the second block
    assert without_partner(frame, SPACE).tolist() == [False] * 3 + [True] * 2 + [False] * 3


def test_a_remedy_that_is_missing_leaves_the_others_their_partner() -> None:
    frame = paired_study([0.0, 0.0], 2).drop(index=1)
    assert not without_partner(frame, SPACE).any()


def test_the_one_trial_of_a_block_that_was_cut_off_has_no_partner() -> None:
    frame = paired_study([0.0, 0.0], 2).iloc[:4]
    assert without_partner(frame, SPACE).tolist() == [False, False, False, True]
