"""How often is the first line of a report right? Simulated studies with a known truth, and what the answer promises.

A promise holds if P(diverge) is in truth within the tolerance at every learning rate up to the one that it names. All
of `tests.sampling.boundaries`' shapes, those that are crossed more than once among them, with Sobol' points and with
the boundary sampler's. Every study is two lines (two tolerances) of the JSON file, so the benchmark may be stopped and
started again. Usage: ``python -m benchmarks.answer [--seeds N] [--trials 48 128] [--samplers qmc boundary]``;
``--table`` only prints.
"""

from __future__ import annotations

import argparse
import itertools
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.sampler import SAMPLERS
from stability_sweep.analysis.answer import SAFE, Answer, answers_of
from stability_sweep.analysis.lines import lines_of, points_at
from stability_sweep.analysis.ranking import fit_ranking
from stability_sweep.analysis.surface import fit_surface
from tests.sampling.boundaries import TRUTHS, probability_at, run_study, simulated

TOLERANCES = (0.05, 0.2)
FINE = 401
"""Learning rates at which the truth is looked at."""


def main() -> None:
    """Run what is missing; print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--trials", type=int, nargs="+", default=[48, 128])
    parser.add_argument("--samplers", nargs="+", default=["qmc", "boundary"])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/answer.jsonl"))
    parser.add_argument("--table", action="store_true", help="print what was measured, and run nothing")
    arguments = parser.parse_args()
    if not arguments.table:
        _measure(arguments)
    print_tables(pd.read_json(arguments.json, lines=True))


def _measure(arguments: argparse.Namespace) -> None:
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    done: set[tuple[Any, ...]] = set()
    if arguments.json.exists() and arguments.json.stat().st_size:
        known = pd.read_json(arguments.json, lines=True)
        done = set(known[["sampler", "boundary", "seed", "trials"]].itertuples(index=False, name=None))
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    jobs = itertools.product(range(arguments.seeds), arguments.samplers, TRUTHS, arguments.trials)
    for seed, sampler, name, trials in jobs:
        if (sampler, name, seed, trials) in done:
            continue
        with arguments.json.open("a") as file, threadpool_limits(1):
            for row in run(sampler, name, seed, trials):
                file.write(json.dumps(row) + "\n")
                print(row, flush=True)


def run(sampler: str, name: str, seed: int, trials: int) -> Iterator[dict[str, Any]]:
    """One study, and what its answers promise.

    Args:
        sampler: of the points.
        name: of the boundary.
        seed: of everything.
        trials: how many.
    """
    boundary = simulated(name)
    frame = run_study(boundary, SAMPLERS[sampler](seed), trials, seed=seed)
    # Larger learning rates learn more, with noise: so the answer has a reason to choose a line.
    noise = np.random.default_rng(seed).normal(size=len(frame))
    frame["yardstick"] = (30 - 10 * np.log10(frame["learning_rate"]) + noise).mask(frame["outcome"] == "diverged")
    space = boundary.definition.space
    surface = fit_surface(frame, space)
    assert surface is not None
    lines = list(lines_of(surface, space))
    for answer in answers_of(lines, surface, space, fit_ranking(frame, space), TOLERANCES):
        key = {"sampler": sampler, "boundary": name, "seed": seed, "trials": trials, "tolerance": answer.tolerance}
        yield {**key, "status": answer.status, **judged(name, answer, lines[0].rates)}


def judged(name: str, answer: Answer, rates: np.ndarray) -> dict[str, Any]:
    """Whether a promise holds, and how many decades lie between its rate and the largest that would have held."""
    if answer.status != SAFE:
        return {"holds": None, "decades_below": None}
    assert answer.learning_rate is not None
    fine = np.geomspace(rates[0], rates[-1], FINE)
    point = {"batch_size": answer.batch_size, "clip_norm": answer.clip_norm}
    over = probability_at(name, points_at(point, learning_rate=fine)) > answer.tolerance  # type: ignore[arg-type]
    safe = float(fine[max(int(np.argmax(over)) - 1, 0)]) if over.any() else float(fine[-1])
    holds = not over[0] and answer.learning_rate <= safe * (fine[1] / fine[0])
    return {"holds": float(holds), "decades_below": float(np.log10(safe / answer.learning_rate))}


def print_tables(rows: pd.DataFrame) -> None:
    """How often there is a promise, how often it holds, and how careful it is."""
    rows = rows.assign(known=(rows["status"] == SAFE).astype(float))
    figures = {
        "studies": ("known", "size"),
        "promises": ("known", "mean"),
        "hold": ("holds", "mean"),
        "decades below, median": ("decades_below", "median"),
    }
    for keys in (["sampler", "tolerance", "trials"], ["boundary"]):
        print(rows.groupby(keys).agg(**figures).round(3).to_string(), end="\n\n")


if __name__ == "__main__":
    main()
