"""Pairs: trials with the same seed at the same point that differ in what they are to compare."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from stability_sweep.analysis.baseline import baseline_point
from stability_sweep.results import columns
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Mask


def blocks_of(trials: pd.DataFrame, space: SearchSpace) -> pd.Series[int] | None:
    """The block of every trial, by the trials' index: those of one seed at one point; None if each stands alone.

    Args:
        trials: a study's.
        space: its search space.
    """
    if columns.SEED not in trials:
        return None
    levels = space.remedies
    shared = [columns.SEED, *(name for name in space.searched if name not in levels)]
    blocks = trials.groupby(shared, sort=False, dropna=False).ngroup()
    return blocks if blocks.nunique() < len(blocks) else None


def alike_but_for(
    trials: pd.DataFrame, blocks: pd.Series[int], space: SearchSpace, about: Collection[str]
) -> pd.Series[int]:
    """The same number for trials of one block that are alike in every remedy but some, by the trials' index.

    Args:
        trials: a study's.
        blocks: of them, from `blocks_of`.
        space: their search space.
        about: the remedies in which they may differ.
    """
    others = [name for name in space.remedies if name not in about]
    keys = [blocks.reindex(trials.index), *(trials[name] for name in others)]
    return trials.groupby(keys, sort=False, dropna=False).ngroup()


def without_partner(trials: pd.DataFrame, space: SearchSpace) -> Mask:
    """Trials of a paired study that have nothing to be compared with, (trials,).

    Where a block's trials differ from the baseline in one dimension each, its baseline is every trial's partner; where
    that failed or is still missing, the others of the block have none.

    Args:
        trials: without the failed ones.
        space: their search space.
    """
    blocks = blocks_of(trials, space)
    if blocks is None:
        return np.zeros(len(trials), dtype=bool)
    baseline, levels = baseline_point(space), space.remedies
    changed = np.zeros(len(trials), dtype=np.int64)
    for name in levels:
        changed += np.array(trials[name] != baseline[name], dtype=np.int64)
    each = pd.Series(changed, trials.index).groupby(blocks)
    fewest, most, size = (each.transform(what) for what in ("min", "max", "size"))
    is_alone = size == 1
    lost_baseline = (most <= 1) & (fewest == 1)
    return np.asarray(is_alone | lost_baseline)
