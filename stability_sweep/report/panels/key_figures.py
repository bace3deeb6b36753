"""The five numbers at the top of a report."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from stability_sweep.analysis import Analysis, Proportion
from stability_sweep.analysis.baseline import baseline_in_words
from stability_sweep.report.blocks import KeyFigure
from stability_sweep.report.panels.limits import LimitInWords, default_limit, place_in_words
from stability_sweep.report.wording import horizon_in_words, setting_in_words
from stability_sweep.results import columns
from stability_sweep.results.numbers import NEVER_ON_PAGE
from stability_sweep.space.axes import format_value
from stability_sweep.space.roles import LEARNING_RATE

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
    """Trials, the share that diverged, the speed limit, the best setting, and how far to trust the map."""
    trust = Trust.of(analysis.quality)
    return [
        _trials(analysis),
        _diverged(analysis),
        _speed_limit(analysis),
        _best(analysis),
        KeyFigure(trust.explained, "of the uncertainty explained", f"{trust.verdict}; {trust.reason}"),
    ]


def share_in_figures(share: Proportion) -> str:
    """``46%``; a dash without trials."""
    return f"{share.value:.0%}" if share.total else NEVER_ON_PAGE


def _trials(analysis: Analysis) -> KeyFigure:
    count = len(analysis.trials)
    failed = len(analysis.frame) - count
    return KeyFigure(str(count), "trials", f"{failed} failed, not counted" if failed else "")


def _diverged(analysis: Analysis) -> KeyFigure:
    share = Proportion.diverged(analysis.trials)
    low, high = share.interval
    within = horizon_in_words(analysis.trials, analysis.study)
    detail = f"{share.count} of {share.total}, {within}; 95% interval {low:.0%} to {high:.0%}"
    return KeyFigure(share_in_figures(share), "diverged", detail)


def _speed_limit(analysis: Analysis) -> KeyFigure:
    row, space = default_limit(analysis), analysis.study.space
    if row is None:
        return KeyFigure(NEVER_ON_PAGE, "speed limit", "not to be told")
    limit = LimitInWords.of(row)
    clip = "" if row[columns.CLIP] is None else f", clip norm {row[columns.CLIP]}"
    meaning = f"largest learning rate with P(diverge) at most {analysis.tolerance:.0%}{clip}"
    details = (meaning, limit.reason, limit.band, baseline_in_words(space, space.core))
    place = place_in_words(row, clip=False)
    label = f"speed limit at {place}" if place else "speed limit"
    return KeyFigure(limit.value, label, "; ".join(detail for detail in details if detail))


def _best(analysis: Analysis) -> KeyFigure:
    if analysis.best.empty:
        return KeyFigure(NEVER_ON_PAGE, "best stable setting", "none is known to be safe")
    row, space = analysis.best.iloc[0], analysis.study.space
    setting, loss = setting_in_words(row, space), f"{row[columns.VALIDATION_LOSS]:.4g}"
    rate = space.role(LEARNING_RATE)
    if rate is None:
        return KeyFigure(loss, "validation loss of the best stable setting", setting)
    value = format_value(float(row[rate]))
    return KeyFigure(value, "learning rate of the best stable setting", f"{setting}; validation loss {loss}")
