"""The few numbers at the top of a report."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from stability_sweep.analysis import Analysis, Proportion
from stability_sweep.analysis.answer import NOT_SEARCHED, UNKNOWN, Answer
from stability_sweep.report.answer_words import place_in_answer
from stability_sweep.report.blocks import KeyFigure
from stability_sweep.report.wording import horizon_in_words
from stability_sweep.results import columns
from stability_sweep.results.numbers import NEVER_ON_PAGE
from stability_sweep.space.axes import format_value

VERDICTS = (
    (0.6, "the map is informative"),
    (0.9, "the map knows something"),
    (math.inf, "the map knows next to nothing"),
)
"""By the ratio of the cross-validated log loss to the base rate's."""

LOG_LOSS = "log loss"
"""The score by which a map is judged."""


@dataclass(frozen=True)
class Trust:
    """How far the map can be trusted, from its cross-validation, in words, part by part."""

    explained: str
    """The share of the uncertainty that the map takes away."""
    verdict: str
    reason: str

    @classmethod
    def of(cls, quality: pd.DataFrame) -> Trust:
        """Of the table of scores."""
        if quality.empty:
            return cls(NEVER_ON_PAGE, "not to be tested", "there are too few trials, or all ended alike")
        row = quality.set_index(columns.SCORE).loc[LOG_LOSS]
        model, base = row[columns.MODEL], row[columns.BASE_RATE]
        return cls(
            f"{max(0.0, 1 - model / base):.0%}",
            next(words for limit, words in VERDICTS if model <= limit * base),
            f"cross-validated log loss {model:.2f}, against {base:.2f} by the base rate alone",
        )

    def __str__(self) -> str:
        """``the map is informative: cross-validated log loss 0.12, against 0.69 by the base rate alone``."""
        return f"{self.verdict}: {self.reason}"


def key_figures(analysis: Analysis) -> list[KeyFigure]:
    """The answer's rate, what it gives and costs, how far to trust the map, and what it rests on."""
    trust = Trust.of(analysis.quality)
    return [
        _rate(analysis),
        *_cost(analysis.answer),
        KeyFigure(trust.explained, "of the uncertainty explained", f"{trust.verdict}; {trust.reason}"),
        _trials(analysis),
    ]


def share_in_figures(share: Proportion) -> str:
    """``46%``; a dash without trials."""
    return f"{share.value:.0%}" if share.total else NEVER_ON_PAGE


def _trials(analysis: Analysis) -> KeyFigure:
    """How many, and how many diverged: where was searched decides that share, not how risky training is."""
    share, failed = Proportion.diverged(analysis.trials), len(analysis.frame) - len(analysis.trials)
    within = horizon_in_words(analysis.trials, analysis.study)
    parts = [
        f"{share.count} diverged {within}: a share of the searched box, no risk of a run",
        f"{failed} failed, not counted" if failed else "",
    ]
    return KeyFigure(str(share.total), "trials" if share.total != 1 else "trial", "; ".join(filter(None, parts)))


def _rate(analysis: Analysis) -> KeyFigure:
    """The one learning rate at the top of the page."""
    answer = analysis.answer
    if answer is None or answer.status in (UNKNOWN, NOT_SEARCHED):
        return KeyFigure("unknown", "largest safe learning rate", "not enough trials to say")
    if answer.learning_rate is None:
        return KeyFigure("none", "largest safe learning rate", "even the smallest of the study is over the tolerance")
    place = place_in_answer(answer)
    meaning = f"P(diverge) at most {answer.tolerance:.0%}, {answer.confidence:.0%} sure"
    return KeyFigure(
        format_value(answer.learning_rate), "largest safe learning rate", f"{place}; {meaning}" if place else meaning
    )


def _cost(answer: Answer | None) -> list[KeyFigure]:
    """What the answer's rate gives, and what safety costs; nothing where that is unknown."""
    if answer is None or answer.expected is None:
        return []
    median, low, high = answer.expected
    band = f"90% band {low:.4g} to {high:.4g}; lower is better"
    figures = [KeyFigure(f"{median:.4g}", "yardstick expected there", band)]
    if answer.price is not None:
        price = max(0.0, answer.price)
        figures.append(KeyFigure(f"{price:.3g}", "price of safety", "above what the best riskier rate promises"))
    return figures
