"""Is a study that stops by its precision right? Studies with the boundary sampler, judged when the rule ends them.

A study is wrong if its map is on the wrong side of the 50% line over a longer stretch of the learning rate than it was
asked for, at any batch size. Boundaries with a known truth, some crossed more than once, and the table of real RHVAE
outcomes. Every finished study is one line of the JSON file, so the benchmark may be stopped and started again.
Usage: ``python -m benchmarks.stopping [--seeds N] [--asked 0.1 0.2] [--boundaries ...]``; ``--table`` only prints.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.sampler import REAL, real
from stability_sweep.analysis.lines import MOST_BATCHES, representatives
from stability_sweep.analysis.precision import line_precision
from stability_sweep.analysis.surface import fit_surface
from stability_sweep.sampling import BoundarySampler
from tests.sampling.boundaries import TRUTHS, Boundary, probability_at, run_study, simulated

FIRST_LOOK, GROWTH = 32, 1.1
"""The rule is asked after so many trials, and whenever there are so many times as many."""

FINE = 201
"""Learning rates at which the map's side is compared with the truth's."""


def main() -> None:
    """Run what is missing; print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=160, help="the budget")
    parser.add_argument("--asked", type=float, nargs="+", default=[0.1, 0.2], help="precisions, decades")
    parser.add_argument("--boundaries", nargs="+", default=[*TRUTHS, REAL])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/stopping.jsonl"))
    parser.add_argument("--table", action="store_true", help="print what was measured, and run nothing")
    arguments = parser.parse_args()
    if not arguments.table:
        _measure(arguments)
    print_table(pd.read_json(arguments.json, lines=True))


def _measure(arguments: argparse.Namespace) -> None:
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    done: set[tuple[Any, ...]] = set()
    if arguments.json.exists() and arguments.json.stat().st_size:
        known = pd.read_json(arguments.json, lines=True)
        done = set(known[["boundary", "seed", "budget"]].itertuples(index=False, name=None))
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    for seed, name in itertools.product(range(arguments.seeds), arguments.boundaries):
        if (name, seed, arguments.trials) in done:
            continue
        with arguments.json.open("a") as file, threadpool_limits(1):
            for row in run(name, seed, arguments.trials, arguments.asked):
                file.write(json.dumps(row) + "\n")
                print(row, flush=True)


def run(name: str, seed: int, budget: int, asked: list[float]) -> Iterator[dict[str, Any]]:
    """One study, judged for every precision where the rule would have ended it.

    Args:
        name: of the boundary.
        seed: of everything.
        budget: trials at most.
        asked: precisions, in decades.
    """
    boundary = real() if name == REAL else simulated(name)
    space = boundary.definition.space
    frame = run_study(boundary, BoundarySampler(seed=seed), budget, seed=seed)
    open_rules, last = list(asked), {}
    trials = FIRST_LOOK
    while open_rules and trials <= budget:
        part = frame[frame["number"] < trials]
        found = line_precision(part, space, budget_trials=budget, seed=seed)
        for precision in list(open_rules):
            reasons = ["no surface"] if found is None else found.why_not(precision)
            last[precision] = "; ".join(reasons)
            if not reasons:
                open_rules.remove(precision)
                wrong = wrong_decades(boundary, part)
                key = {"boundary": name, "seed": seed, "budget": budget, "asked": precision, "stopped": True}
                yield {**key, "trials": trials, "wrong_decades": wrong, "why_not": None}
        trials = max(trials + 1, math.floor(trials * GROWTH))
    for precision in open_rules:
        key = {"boundary": name, "seed": seed, "budget": budget, "asked": precision, "stopped": False}
        yield {**key, "trials": budget, "wrong_decades": wrong_decades(boundary, frame), "why_not": last[precision]}


def wrong_decades(boundary: Boundary, frame: pd.DataFrame) -> float:
    """The longest stretch of the learning rate over which the map is on the wrong side, at the worst batch size."""
    surface = fit_surface(frame, boundary.definition.space)
    assert surface is not None
    longest = 0.0
    for points, truth in _rows(boundary):
        wrong = (surface.predict(points)["median"].to_numpy() > 0.5) != (truth > 0.5)
        rates = np.log10(points["learning_rate"].to_numpy(np.float64))
        step = float(rates[1] - rates[0])
        runs = "".join("x" if each else " " for each in wrong).split()
        longest = max(longest, max(map(len, runs), default=0) * step)
    return longest


def _rows(boundary: Boundary) -> Iterator[tuple[pd.DataFrame, Any]]:
    """Points along the learning rate with the truth there, batch size by batch size."""
    if boundary.name == REAL:
        for _, part in boundary.points.groupby("batch_size"):
            ordered = part.sort_values("learning_rate").reset_index(drop=True)
            yield ordered, ordered["truth"].to_numpy()
        return
    rates = np.geomspace(1e-6, 1e-1, FINE)
    for _, batch in representatives(boundary.definition.space, "batch_size", MOST_BATCHES):
        points = pd.DataFrame({"learning_rate": rates, "batch_size": batch, "clip_norm": math.inf})
        yield points, probability_at(boundary.name, points)


def print_table(rows: pd.DataFrame) -> None:
    """How many studies stopped, after how many trials, and how many of those were wrong by more than was asked."""
    rows = rows.assign(wrong=rows["stopped"] & (rows["wrong_decades"] > rows["asked"]))
    table = rows.groupby(["asked", "boundary"]).agg(
        studies=("seed", "size"),
        stopped=("stopped", "sum"),
        trials=("trials", "median"),
        wrong=("wrong", "sum"),
        median_wrong_decades=("wrong_decades", "median"),
    )
    print(table.to_string(float_format="{:.2f}".format))
    for asked, part in rows.groupby("asked"):
        stopped = int(part["stopped"].sum())
        print(f"asked {asked:g}: {stopped} of {len(part)} studies stopped, {int(part['wrong'].sum())} of them wrong")


if __name__ == "__main__":
    main()
