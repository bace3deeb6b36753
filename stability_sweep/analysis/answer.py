"""What to do: the largest learning rate that is safe, where to use it, and how many trials are missing to say so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from stability_sweep.analysis.baseline import baseline_point, nearest_to_baseline
from stability_sweep.analysis.lines import Line, crossings, points_at, seen_by
from stability_sweep.analysis.ranking import Ranking
from stability_sweep.analysis.speed_limit import limit_of
from stability_sweep.analysis.surface import Surface
from stability_sweep.gaussian_process import Mixture, propagate
from stability_sweep.results import columns
from stability_sweep.space.dimensions import Point, Value
from stability_sweep.space.roles import BATCH_SIZE, CLIP_NORM, LEARNING_RATE
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array

TOLERANCES = (0.01, 0.05, 0.1, 0.2, 0.5)
"""Those that a reader may choose, beside the study's own."""

FEWEST_MORE, MOST_MORE = 8, 512
"""So many more trials are thought of, doubled each time; what these could not tell is beyond a study."""

CONFIDENCE = 0.9
"""How sure a promise is."""

TRIED = 5
"""Learning rates at which more trials are thought of, per line."""

SAFE, NONE_IS_SAFE, UNKNOWN, NOT_SEARCHED = "safe", "none is safe", "unknown", "not searched"


class Question(NamedTuple):
    """What may be asked of a study's trials: what is safe, within how many steps."""

    steps: int | None
    """None for the horizon at the point."""
    tolerance: float
    """P(diverge) up to which a setting is called safe."""


@dataclass(frozen=True)
class Wanted:
    """Trials that would make an answer known, if they came out as the map forecasts."""

    trials: int | None
    """About how many more; None where more than `MOST_MORE` would be needed."""
    batch_size: Value | None
    clip_norm: Value | None
    lowest_rate: float
    highest_rate: float
    """Between which learning rates; equal where only the lowest is worth a try."""


@dataclass(frozen=True)
class Answer:
    """What the trials say of the question which learning rate to use."""

    tolerance: float
    """P(diverge) up to which a rate is called safe."""
    steps: int | None = None
    """Within how many steps; None for the horizon at the point."""
    status: str = UNKNOWN
    """``safe``, ``none is safe``, ``unknown``, ``not searched`` (the learning rate)."""
    learning_rate: float | None = None
    """Up to this it is safe, see `promise_of`. None unless `status` is ``safe``."""
    is_all: bool = False
    """Whether that is the largest rate of the study."""
    batch_size: Value | None = None
    """None in a study that has none; so is the clip norm."""
    clip_norm: Value | None = None
    horizon_steps: int | None = None
    """Steps that the promise is about, at that batch size."""
    expected: tuple[float, float, float] | None = None
    """The yardstick there: median and 90% band; None where too few were measured."""
    price: float | None = None
    """Expected yardstick above the best of any line's rates, however risky."""
    wanted: Wanted | None = None
    """What would make it known."""
    confidence: float = CONFIDENCE

    @property
    def question(self) -> Question:
        """That it answers."""
        return Question(self.steps, self.tolerance)

    @property
    def is_known(self) -> bool:
        """Whether the trials answer: by a rate, or by "none"."""
        return self.status in (SAFE, NONE_IS_SAFE)


def answers_of(
    lines: Sequence[Line], surface: Surface, space: SearchSpace, ranking: Ranking | None, tolerances: Sequence[float]
) -> list[Answer]:
    """An answer for every tolerance and number of steps that the lines have.

    Of the lines whose `promise_of` is a rate, the answer takes the batch size and clipping whose yardstick there is
    expected lowest (by the upper end of its band); without yardsticks, those nearest to the baseline's.

    Args:
        lines: from `lines_of`, for one or more numbers of steps.
        surface: which they come from.
        space: the study's.
        ranking: of its yardsticks.
        tolerances: from 0 to 1.
    """
    if not lines:
        return [Answer(tolerance, status=NOT_SEARCHED) for tolerance in tolerances]
    best = _best_promise(lines, space, ranking)
    found = []
    for steps in dict.fromkeys(line.steps for line in lines):
        some = [line for line in lines if line.steps == steps]
        found += [_answer(some, surface, space, ranking, tolerance, best) for tolerance in tolerances]
    return found


def promise_of(line: Line, tolerance: float) -> float:
    """The learning rate up to which P(diverge) is, at every rate, within the tolerance with 90% probability.

    It is where the 90% quantile of P, over draws from the posterior, first passes the tolerance. The lower end of a
    speed limit's band asks less: there a draw may be over the tolerance far below its boundary.

    Args:
        line: one batch size and band of clipping.
        tolerance: from 0 to 1.

    Returns:
        0 where not even the smallest rate is safe so surely; the largest of the study where all are.
    """
    upper = np.quantile(line.draws, CONFIDENCE, axis=0)
    return float(min(crossings(line, upper[None, :], tolerance)[0], line.rates[-1]))


def _answer(
    lines: Sequence[Line],
    surface: Surface,
    space: SearchSpace,
    ranking: Ranking | None,
    tolerance: float,
    best: float | None,
) -> Answer:
    promises = [promise_of(line, tolerance) for line in lines]
    safe = [(line, promise) for line, promise in zip(lines, promises, strict=True) if promise > 0]
    answer = Answer(tolerance, steps=lines[0].steps)
    if safe:
        points = pd.concat([_points(space, line, [rate]) for line, rate in safe], ignore_index=True)
        expected = None if ranking is None else ranking.predict(points)
        rates = np.array([rate for _, rate in safe])
        place = _usual([line for line, _ in safe], space) if expected is None else _lowest(expected, rates)
        line, rate = safe[place]
        answer = replace(answer, status=SAFE, learning_rate=rate, is_all=bool(rate >= line.rates[-1]))
        if expected is not None:
            row = tuple(float(value) for value in expected.iloc[place])
            price = None if best is None or math.isinf(row[0]) else row[0] - best
            answer = replace(answer, expected=(row[0], row[1], row[2]), price=price)
    else:
        line = lines[_usual(lines, space)]
        if all((line.draws[:, 0] > tolerance).mean() >= CONFIDENCE for line in lines):
            answer = replace(answer, status=NONE_IS_SAFE)
    point = _points(space, line, [float(line.rates[0])])
    horizon = surface.horizons.at(surface.encoding.encode(point))[0] if line.steps is None else line.steps
    return replace(answer, batch_size=line.batch_size, clip_norm=line.clip_norm, horizon_steps=round(float(horizon)))


def with_wanted(
    answer: Answer, lines: Sequence[Line], surface: Surface, space: SearchSpace, *, seed: int = 0
) -> Answer:
    """An unknown answer with about how many more trials would make it known, and where.

    More and more trials are thought of on the line that promises most, spread over the rates that the median calls
    safe, each with the outcome that the map forecasts (in expectation); the kernel stays as it is.

    Args:
        answer: one that is unknown.
        lines: those of its number of steps.
        surface: which they come from.
        space: the study's.
        seed: of the draws.
    """
    limits = [min(limit_of(line, answer.tolerance)[0], float(line.rates[-1])) for line in lines]
    line = lines[_usual(lines, space) if max(limits) == 0 else int(np.argmax(limits))]
    worth = line.rates[line.rates <= max(limits)] if max(limits) > 0 else line.rates[:1]
    tried = worth[np.unique(np.linspace(0, len(worth) - 1, TRIED).round().astype(int))]
    wanted = Wanted(None, line.batch_size, line.clip_norm, float(tried[0]), float(tried[-1]))
    of_line, more = _points(space, line, line.rates.tolist()), FEWEST_MORE
    while more <= MOST_MORE:
        thought = _with_more(surface, _points(space, line, tried.tolist()), more)
        if promise_of(seen_by(line, thought, of_line, seed=seed), answer.tolerance) > 0:
            return replace(answer, wanted=replace(wanted, trials=more))
        more *= 2
    return replace(answer, wanted=wanted)


def _with_more(surface: Surface, points: pd.DataFrame, more: int) -> Surface:
    """The surface after more trials that came out as it forecasts them, spread evenly over the points."""
    encoded, chance = surface.encoding.encode(points), surface.predict(points)[columns.MEDIAN].to_numpy()
    each = more / len(points)
    counts = np.column_stack([each * chance, np.full(len(points), each)])
    cells = surface.cells
    kernel = surface.by_horizon.processes[0].kernel
    sums = np.vstack([cells.sums, counts])
    process = propagate(kernel, np.vstack([cells.points, encoded]), *sums.T)
    return replace(surface, by_horizon=Mixture((process,), np.ones(1)))


def _points(space: SearchSpace, line: Line, rates: Sequence[float]) -> pd.DataFrame:
    """Points of a line; all dimensions without a role stand at the baseline."""
    given = {LEARNING_RATE: None, BATCH_SIZE: line.batch_size, CLIP_NORM: line.clip_norm}
    point: Point = baseline_point(space) | {
        name: value for role, value in given.items() if value is not None and (name := space.role(role)) is not None
    }
    rate = space.role(LEARNING_RATE)
    assert rate is not None
    return points_at(point, **{rate: np.asarray(rates)})


def _best_promise(lines: Sequence[Line], space: SearchSpace, ranking: Ranking | None) -> float | None:
    """The lowest yardstick that any line's rates promise surely; None where it is infinite or unknown."""
    if ranking is None:
        return None
    first = [line for line in lines if line.steps == lines[0].steps]
    points = pd.concat([_points(space, line, line.rates.tolist()) for line in first], ignore_index=True)
    expected = ranking.predict(points)
    rates = np.concatenate([line.rates for line in first])
    promise = float(expected[columns.EXPECTED].iloc[_lowest(expected, rates)])
    return promise if math.isfinite(promise) else None


def _lowest(expected: pd.DataFrame, rates: Array) -> int:
    """The surest of the best promises; of equal ones, that of the largest rate."""
    return int(np.lexsort([-rates, expected[columns.EXPECTED_HIGH].to_numpy()])[0])


def _usual(lines: Sequence[Line], space: SearchSpace) -> int:
    """The line nearest to the baseline."""
    return nearest_to_baseline(space, [(line.batch_size, line.clip_norm) for line in lines])
