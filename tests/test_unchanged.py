"""The quick part of the proof that moving code about changed nothing; `python -m tests.unchanged` is the whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unchanged import QUICK_TRIALS, advice_report, differences, fingerprints, losses, place, recorded

OTHER_MACHINE = 0.02
"""A processor that rounds differently moves the numbers of a fit by less than this share."""


def test_no_shipped_definition_has_another_fingerprint() -> None:
    assert fingerprints() == recorded("fingerprints.json")


def test_every_loss_of_a_quickstart_trial_is_what_it_was(mnist_dir: Path) -> None:
    then = recorded("losses.json")
    now = losses(QUICK_TRIALS, mnist_dir)
    if place() == then["place"]:
        assert now == {str(number): then["trials"][str(number)] for number in QUICK_TRIALS}
        return
    for number in QUICK_TRIALS:  # another processor: the last bits are its own
        mine, theirs = now[str(number)], then["trials"][str(number)]
        assert mine["outcome"] == theirs["outcome"]
        assert mine["first_loss"] == pytest.approx(theirs["first_loss"], rel=1e-5)


@pytest.mark.slow
def test_the_report_of_the_advice_study_says_what_it_said() -> None:
    relative = 0.0 if place() == recorded("losses.json")["place"] else OTHER_MACHINE
    assert differences(advice_report(), recorded("advice-report.json"), relative=relative) == []
