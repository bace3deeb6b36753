"""Everything that a report says about a study, as tables."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pandas as pd

from stability_sweep.analysis import table_names
from stability_sweep.analysis.advice import judge_claims
from stability_sweep.analysis.answer import TOLERANCES, UNKNOWN, Answer, Question, answers_of, with_wanted
from stability_sweep.analysis.best import best_by_question
from stability_sweep.analysis.calibration import calibration, cross_validation
from stability_sweep.analysis.divergence import divergence_by_band
from stability_sweep.analysis.effects import HazardEffects, hazard_effects
from stability_sweep.analysis.forensics import divergence_origins, origins_by_band, warning_signs
from stability_sweep.analysis.horizon import horizon_table
from stability_sweep.analysis.importance import dimension_importance
from stability_sweep.analysis.lines import Line, lines_of
from stability_sweep.analysis.maps import PairMap, mapped_dimensions, pair_maps, step_map
from stability_sweep.analysis.precision import Precision, precision_of
from stability_sweep.analysis.ranking import Ranking, fit_ranking
from stability_sweep.analysis.remedies import Remedies, judge_remedies
from stability_sweep.analysis.speed_limit import limits_table
from stability_sweep.analysis.surface import FORECAST_COLUMNS, Surface, fit_surface, unseen_forecasts
from stability_sweep.analysis.survival import hazard_by_band, survival_curves
from stability_sweep.definition.claims import DEFAULT_TOLERANCE
from stability_sweep.results import columns
from stability_sweep.results.outcome import TrialResult
from stability_sweep.results.telemetry import Telemetry
from stability_sweep.sources.frame import counted, with_gaps
from stability_sweep.sources.protocol import StudyFacts
from stability_sweep.space.roles import LEARNING_RATE
from stability_sweep.space.search_space import SearchSpace

LONGER = (1, 10)
"""Horizons that P(diverge) is estimated at, in multiples of the study's own."""


@dataclass(frozen=True)
class Analysis:
    """A study in numbers."""

    study: StudyFacts
    """What is known of it beside its trials."""
    frame: pd.DataFrame
    """One row per finished trial."""
    tolerance: float
    """What is called safe: P(diverge) at most this."""
    surface: Surface | None
    """None with fewer than 5 trials, or nothing searched."""
    quality: pd.DataFrame
    calibration: pd.DataFrame
    """Empty without a surface, or where all trials ended alike; so is the quality."""
    maps: list[PairMap]
    by_step: PairMap | None
    """The map of the first pair, step by step; None without a surface or a pair."""
    limits: pd.DataFrame
    """Empty unless the study has a learning rate, and searches it."""
    precision: Precision | None
    """How well the 50% line is known; None unless the study ends by that."""
    answers: list[Answer]
    """For every horizon and tolerance that a reader may choose; empty without a surface."""
    best: pd.DataFrame
    effects: HazardEffects
    importance: pd.DataFrame
    claims: pd.DataFrame
    remedies: Remedies
    origins: pd.DataFrame
    origins_by_rate: pd.DataFrame
    """Empty where no learning rate is searched."""
    warnings: pd.DataFrame
    survival: dict[str, pd.DataFrame] = field(default_factory=dict)
    """By dimension, as the next two."""
    hazards: dict[str, pd.DataFrame] = field(default_factory=dict)
    horizons: dict[str, pd.DataFrame] = field(default_factory=dict)
    limits_by_question: dict[Question, pd.DataFrame] = field(default_factory=dict)
    """The limits that answer what a reader may ask, as the answers; the study's own question among them."""
    best_by_question: dict[Question, pd.DataFrame] = field(default_factory=dict)

    @property
    def question(self) -> Question:
        """The study's own."""
        return Question(None, self.tolerance)

    @property
    def answer(self) -> Answer | None:
        """That to the study's own tolerance and horizon; None without a surface."""
        return next((each for each in self.answers if each.question == self.question), None)

    @property
    def trials(self) -> pd.DataFrame:
        """The trials that count: all but the failed ones."""
        return counted(self.frame)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table under the name of its file."""
        named = {
            table_names.TRIALS: with_gaps(self.frame),
            table_names.QUALITY: self.quality,
            table_names.CALIBRATION: self.calibration,
            table_names.SPEED_LIMITS: self.limits,
            table_names.BEST: self.best,
            table_names.EFFECTS: self.effects.table,
            table_names.IMPORTANCE: self.importance,
            table_names.CLAIMS: self.claims,
            table_names.REMEDIES: self.remedies.table,
            table_names.ORIGINS: self.origins,
            table_names.ORIGINS_BY_RATE: self.origins_by_rate,
            table_names.WARNINGS: self.warnings,
        }
        for pair in self.maps:
            named[table_names.map_of(pair.x.name, pair.y.name)] = pair.table
        if self.by_step is not None:
            steps = pd.Series(self.by_step.steps)[self.by_step.table[columns.SLICE]].to_numpy()
            named[table_names.MAP_BY_STEP] = self.by_step.table.assign(**{columns.STEP: steps})
        axes = self.study.space.searched
        for name, axis in axes.items():
            named[table_names.counts_of(name)] = divergence_by_band(self.frame, axis)
        for table_of, by_dimension in (
            (table_names.survival_of, self.survival),
            (table_names.hazard_of, self.hazards),
            (table_names.horizon_of, self.horizons),
        ):
            named |= {table_of(name): table for name, table in by_dimension.items()}
        return named


def analyse(
    study: StudyFacts,
    frame: pd.DataFrame,
    telemetry: Iterable[tuple[TrialResult, Telemetry]] = (),
    *,
    tolerance: float = DEFAULT_TOLERANCE,
    seed: int = 0,
) -> Analysis:
    """Analyse a study; what its trials cannot tell is an empty table.

    Args:
        study: what is known of it beside its trials.
        frame: its trials, from `study_frame`.
        telemetry: of stable and diverged trials, for the warning signs.
        tolerance: P(diverge) up to which a setting is called safe.
        seed: of everything that draws.
    """
    space = study.space
    axes, rate = space.searched, space.searched_role_axis(LEARNING_RATE)
    # A trial that another program put into the study may lack a dimension: it cannot stand on a map.
    frame = frame.dropna(subset=list(space))
    surface, forecasts, importance = _learned(frame, space, seed)
    ranked = importance[columns.DIMENSION].tolist()
    timed = [name for name in space.core if name in axes]
    horizon = int(frame[columns.HORIZON].max()) if len(frame) else 0
    steps = [horizon * factor for factor in LONGER]
    has_trials = len(counted(frame)) > 0
    ranking = fit_ranking(frame, space, seed=seed)
    lines = [] if surface is None else _lines(surface, space, seed)
    own, question = [line for line in lines if line.steps is None], Question(None, tolerance)
    answers = [] if surface is None else _answers(lines, surface, space, ranking, tolerance, seed)
    asked = [answer.question for answer in answers]
    limits = {} if surface is None else _limits(lines, surface.trials, asked)
    best = {} if surface is None else best_by_question(frame, space, surface, ranking, asked)
    precision = None
    if surface is not None and own and study.asked_decades is not None:
        precision = precision_of(frame, space, surface, own, budget_trials=study.budget_trials, seed=seed)
    effects = hazard_effects(frame, space, seed=seed)
    return Analysis(
        study=study,
        frame=frame,
        tolerance=tolerance,
        surface=surface,
        quality=cross_validation(forecasts),
        calibration=calibration(forecasts),
        maps=[] if surface is None else pair_maps(surface, space, ranked),
        by_step=_by_step(surface, space, ranked),
        limits=limits.get(question, pd.DataFrame()),
        precision=precision,
        answers=answers,
        best=best.get(question, pd.DataFrame()),
        effects=effects,
        importance=importance,
        claims=judge_claims(study.claims, frame, space, epochs_of=study.steps_per_epoch, seed=seed),
        remedies=judge_remedies(frame, space, effects.table, epochs_of=study.steps_per_epoch, seed=seed),
        origins=divergence_origins(frame, space),
        origins_by_rate=pd.DataFrame() if rate is None else origins_by_band(frame, rate),
        warnings=warning_signs(telemetry, study.signals),
        survival={name: survival_curves(frame, axes[name]) for name in timed},
        hazards={name: hazard_by_band(frame, axes[name]) for name in timed},
        horizons={name: horizon_table(frame, axes[name], steps) for name in timed} if has_trials else {},
        limits_by_question=limits,
        best_by_question=best,
    )


def _lines(surface: Surface, space: SearchSpace, seed: int) -> list[Line]:
    """By the horizon, and by all earlier ends of periods that every trial was to reach."""
    ends = () if surface.timing is None else surface.timing.periods.ends
    earlier = [step for step in ends if step < surface.horizons.shortest]
    return list(lines_of(surface, space, seed=seed, steps=(None, *earlier)))


def _limits(lines: list[Line], trials: int, asked: list[Question]) -> dict[Question, pd.DataFrame]:
    """The speed limits that answer every question; those that were asked of no line have none."""
    return {
        question: limits_table([line for line in lines if line.steps == question.steps], trials, question.tolerance)
        for question in asked
    }


def _answers(
    lines: list[Line], surface: Surface, space: SearchSpace, ranking: Ranking | None, tolerance: float, seed: int
) -> list[Answer]:
    """To every question that a reader may ask; the study's own says what is missing, if it is unknown."""
    own = [line for line in lines if line.steps is None]
    return [
        with_wanted(answer, own, surface, space, seed=seed)
        if (answer.steps, answer.tolerance, answer.status) == (None, tolerance, UNKNOWN)
        else answer
        for answer in answers_of(lines, surface, space, ranking, sorted({*TOLERANCES, tolerance}))
    ]


def _by_step(surface: Surface | None, space: SearchSpace, importance: list[str]) -> PairMap | None:
    """Of the first pair that is mapped; None where the trials tell nothing of time."""
    names = mapped_dimensions(space, importance)
    if surface is None or len(names) < 2 or surface.longest_steps < 2:
        return None
    return step_map(surface, space, space.axes[names[0]], space.axes[names[1]])


def _learned(frame: pd.DataFrame, space: SearchSpace, seed: int) -> tuple[Surface | None, pd.DataFrame, pd.DataFrame]:
    """The surface, its forecasts of unseen trials, the dimensions' importance: what takes longest, two at a time."""
    import sklearn.ensemble  # noqa: F401  # before there are threads: two that import it may each see half of it

    with ThreadPoolExecutor(1) as pool:  # the forest does not need the interpreter's lock, nor the surface
        forest = pool.submit(dimension_importance, frame, space, seed=seed)
        surface = fit_surface(frame, space, seed=seed)
        if surface is None:
            return None, pd.DataFrame(columns=FORECAST_COLUMNS), forest.result()
        return surface, unseen_forecasts(frame, surface, seed=seed), forest.result()
