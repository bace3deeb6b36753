"""How long `BoundarySampler` takes to ask for a point in a study of 500 and of 2,000 trials, on one thread.

Two of three trials lie near a curved boundary in three dimensions, as in a study that it led. Beside it Optuna's TPE.
Usage: ``python -m benchmarks.ask [--trials 500,2000] [--asks N]``.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from stability_sweep.sampling import BoundarySampler
from stability_sweep.sampling.exploration import is_explored
from stability_sweep.space.coordinates import Coordinates
from tests.sampling.boundaries import idle, simulated

SAMPLERS: dict[str, Callable[[], BaseSampler]] = {
    "boundary": lambda: BoundarySampler(seed=0),
    "tpe": lambda: TPESampler(seed=0, constant_liar=True),
}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=lambda text: [int(n) for n in text.split(",")], default=[100, 500, 1000, 2000])
    parser.add_argument("--asks", type=int, default=24)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = simulated("idle third").space
    print("milliseconds per ask: median (quartiles), largest; the largest is the one that learns the kernel")
    for trials in arguments.trials:
        past = _past(trials, space)
        for storage in ("memory", "sqlite"):
            for name, make in SAMPLERS.items():
                with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
                    url = None if storage == "memory" else f"sqlite:///{Path(folder) / 'study.db'}"
                    study = optuna.create_study(sampler=make(), storage=url)
                    study.add_trials(past)
                    times = 1000 * np.array(_ask(study, space, arguments.asks))
                low, middle, high = np.quantile(times, [0.25, 0.5, 0.75])
                figures = f"{middle:.0f} ({low:.0f} to {high:.0f}), {times.max():.0f}"
                print(f"{trials:>5} trials, {storage:>6}, {name:>8}: {figures}")


def _past(trials: int, space: dict[str, BaseDistribution]) -> list[FrozenTrial]:
    generator = np.random.default_rng(0)
    units = generator.random((trials, 3))
    near = generator.random(trials) < 2 / 3
    line = 0.6 + 0.1 * np.sin(5 * units[:, 1]) + 0.04 * generator.standard_normal(trials)
    units[near, 0] = np.clip(line, 0, 0.999)[near]
    diverged = generator.random(trials) < idle(units)
    coordinates = Coordinates.of(space)
    return [
        optuna.trial.create_trial(
            state=TrialState.PRUNED if died else TrialState.COMPLETE,
            params=coordinates.params(values),
            distributions=space,
            value=None if died else 1.0,
            intermediate_values={5: math.nan} if died else {},
        )
        for values, died in zip(coordinates.values(units), diverged, strict=True)
    ]


def _ask(study: optuna.Study, space: dict[str, BaseDistribution], asks: int) -> list[float]:
    seconds: list[float] = []
    while len(seconds) < asks:
        started = time.perf_counter()
        trial = study.ask(space)
        passed = time.perf_counter() - started
        if not is_explored(trial.number):  # those points need no model
            seconds.append(passed)
        study.tell(trial, 1.0)
    return seconds


if __name__ == "__main__":
    main()
