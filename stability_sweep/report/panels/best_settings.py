"""The best settings that are also safe, and what every trial's loss ended at."""

from __future__ import annotations

import pandas as pd

from stability_sweep.analysis import Analysis, table_names
from stability_sweep.analysis.answer import Question
from stability_sweep.analysis.ranking import FEWEST_MEASURED, measured_yardsticks
from stability_sweep.report.asked import with_choices
from stability_sweep.report.blocks import Column, Exhibit, table_exhibit
from stability_sweep.report.panels.final_losses import losses_exhibit
from stability_sweep.report.panels.panel import Panel
from stability_sweep.report.wording import setting_in_words, share_in_words, spaced, within_in_words
from stability_sweep.results import columns
from stability_sweep.space.roles import LEARNING_RATE
from stability_sweep.space.search_space import SearchSpace


class BestSettings(Panel):
    """A table of the best safe settings, and the losses of all trials."""

    key = "best"
    title = "Best stable settings"

    def text(self, analysis: Analysis) -> str:
        """What is called best."""
        return (
            "The lowest yardstick that is to be expected of a setting whose P(diverge) is, by the map's best guess, "
            "within the tolerance (its band says how sure that is): by a regression through all finite trials, never "
            "by one lucky trial, and three others like it must stand by."
        )

    def exhibits(self, analysis: Analysis) -> list[Exhibit]:
        """The table, and the losses where a learning rate is searched."""
        space, trials = analysis.study.space, analysis.trials
        best = with_choices(analysis, _safe_and_good)
        rate = space.searched_role_axis(LEARNING_RATE)
        return [best] if rate is None or trials.empty else [best, losses_exhibit(trials, rate, space)]


PANEL = BestSettings()


def best_finding(analysis: Analysis, question: Question | None = None) -> str:
    """The best setting that is safe, and the price of that.

    Args:
        analysis: the study in numbers.
        question: one that the reader may ask; None for the study's own.
    """
    best = _best(analysis, question or analysis.question)
    if best.empty and len(measured_yardsticks(analysis.frame)) < FEWEST_MEASURED:
        return f"Fewer than {FEWEST_MEASURED} trials have a yardstick: not enough to rank settings by it."
    steps, tolerance = question or analysis.question
    within = within_in_words(steps, analysis.trials, analysis.study)
    if best.empty:
        return (
            f"No stable trial is known to be safe: none has P(diverge {within}) at most {share_in_words(tolerance)} "
            f"and three neighbours to confirm it."
        )
    row = best.iloc[0]
    price = (
        "no riskier setting promises more"
        if row[columns.PRICE] <= 0
        else f"{row[columns.PRICE]:.3g} above the best risky one"
    )
    return (
        f"Best with P(diverge {within}) at most {share_in_words(tolerance)}: "
        f"{setting_in_words(row, analysis.study.space)} (trial {int(row[columns.NUMBER])}), expected yardstick "
        f"{row[columns.EXPECTED]:.4g} (90% band {row[columns.EXPECTED_LOW]:.4g} to {row[columns.EXPECTED_HIGH]:.4g}); "
        f"{price}. P(diverge) {row[columns.PROBABILITY]:.1%} (90% band "
        f"{row[columns.LOW]:.1%} to {row[columns.HIGH]:.1%}); {int(row[columns.NEIGHBOURS_DIVERGED])} of its "
        f"{int(row[columns.NEIGHBOURS])} neighbours diverged."
    )


def _safe_and_good(analysis: Analysis, question: Question) -> Exhibit:
    best, shown = _best(analysis, question), _shown(analysis.study.space)
    return table_exhibit("Safe and good", best_finding(analysis, question), best, shown, table_names.BEST)


def _best(analysis: Analysis, question: Question) -> pd.DataFrame:
    return analysis.best_by_question.get(question, analysis.best)


def _shown(space: SearchSpace) -> list[Column]:
    return [
        Column(columns.NUMBER, "trial"),
        *(Column(name, spaced(name), is_dimension=True) for name in space),
        Column(columns.EXPECTED, "yardstick, expected"),
        Column(columns.EXPECTED_LOW, "90% from"),
        Column(columns.EXPECTED_HIGH, "to"),
        Column(columns.YARDSTICK, "this trial's"),
        Column(columns.PROBABILITY, "P(diverge)"),
        Column(columns.LOW, "90% from"),
        Column(columns.HIGH, "to"),
        Column(columns.NEIGHBOURS_DIVERGED, "neighbours diverged"),
        Column(columns.NEIGHBOURS, "of"),
        Column(columns.PRICE, "price of safety"),
    ]
