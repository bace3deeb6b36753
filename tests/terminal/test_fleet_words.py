from __future__ import annotations

import pytest

from stability_sweep.terminal.fleet_words import work_in_words


@pytest.mark.parametrize(
    ("trials", "words"),
    [([], "no trial"), ([3], "trial 3"), ([3, 4], "trials 3 and 4"), ([3, 4, 7], "trials 3, 4 and 7")],
)
def test_every_trial_of_a_worker_is_told(trials: list[int], words: str) -> None:
    assert work_in_words(trials) == words
