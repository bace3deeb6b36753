"""How many trials a map costs: `BoundarySampler` beside random, Sobol', TPE, Optuna's GPSampler and a grid.

Nine boundaries with a known truth and a table of real RHVAE outcomes; every study's map is the report's own surface.
Two errors: the share of the space on the wrong side of the 50% line, and mean |P - truth|. Where the line is crossed
more than once there is a third figure: whether the map shows the feature that is easily missed (`is_found`). Every
finished run is one line of the JSON file, so the benchmark may be stopped and started again.
Usage: ``python -m benchmarks.sampler [--seeds N] [--jobs N] [--boundaries ...] [--samplers ...]``; ``--table`` only
prints what was measured, ``--chart FILE`` draws it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.samplers import BaseSampler, GPSampler, GridSampler, QMCSampler, RandomSampler, TPESampler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.aepsych import AEPsychSampler
from benchmarks.entrants import RuleSampler, least_sure_of_the_side, straddle
from benchmarks.rhvae_outcomes import STUDY, TABLE
from stability_sweep.analysis.surface import fit_surface
from stability_sweep.definition.files import load_definition
from stability_sweep.definition.samplers import SamplerConfig
from stability_sweep.sampling import BoundarySampler
from stability_sweep.space.dimensions import Choices, Range
from tests.sampling.boundaries import TRUTHS, Boundary, Outcome, is_found, run_study, simulated

TRIALS = (32, 64, 128, 256)
REAL = "real RHVAE"
OURS = "boundary"

SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    OURS: lambda seed: BoundarySampler(seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
    "qmc": lambda seed: QMCSampler(seed=seed, scramble=True),
    "tpe": lambda seed: TPESampler(seed=seed, constant_liar=True),
    "gp": lambda seed: GPSampler(seed=seed),
    "u": lambda seed: RuleSampler(seed, least_sure_of_the_side),
    "straddle": lambda seed: RuleSampler(seed, straddle),
}
GRID = "grid"
AEPSYCH: dict[str, Callable[[int], BaseSampler]] = {
    "aepsych EAVC": lambda seed: AEPsychSampler(seed, "EAVC"),
    "aepsych GlobalMI": lambda seed: AEPsychSampler(seed, "GlobalMI"),
    "aepsych LocalSUR": lambda seed: AEPsychSampler(seed, "LocalSUR"),
}
"""Only where they are asked for: a question takes seconds, and the package is not ours (`benchmarks.aepsych`)."""

Job = tuple[str, str, int, int, int]
"""Boundary, sampler, workers, seed, most trials."""


def main() -> None:
    """Run what is missing; print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--trials", type=int, default=max(TRIALS), help="of the longest studies")
    parser.add_argument("--boundaries", nargs="+", default=[*TRUTHS, REAL])
    parser.add_argument("--samplers", nargs="+", choices=[*SAMPLERS, GRID, *AEPSYCH], default=[*SAMPLERS, GRID])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/sampler.jsonl"))
    parser.add_argument("--table", action="store_true", help="print what was measured, and run nothing")
    parser.add_argument("--chart", type=Path, help="draw what was measured into this PNG")
    arguments = parser.parse_args()
    if not arguments.table:
        _measure(arguments)
    rows = pd.read_json(arguments.json, lines=True)
    print_tables(rows)
    if arguments.chart:
        from benchmarks.chart import draw_chart, sampler_figure

        draw_chart(sampler_figure(rows), arguments.chart, height=760)


def _measure(arguments: argparse.Namespace) -> None:
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    done: set[tuple[Any, ...]] = set()
    if arguments.json.exists() and arguments.json.stat().st_size:
        known = pd.read_json(arguments.json, lines=True)
        done = set(known[["boundary", "sampler", "workers", "seed", "most"]].itertuples(index=False, name=None))
    jobs = [
        (boundary, sampler, workers, seed, arguments.trials)
        # Seeds last: a benchmark that is stopped has seen every setting equally often.
        for seed, workers, sampler, boundary in itertools.product(
            range(arguments.seeds), arguments.workers, arguments.samplers, arguments.boundaries
        )
        if not (sampler == GRID and workers > 1)  # a grid does not look at results: workers change nothing
    ]
    missing = [job for job in jobs if job not in done]
    with multiprocessing.get_context("spawn").Pool(arguments.jobs) as pool, arguments.json.open("a") as file:
        for number, rows in enumerate(pool.imap_unordered(run, missing), start=1):
            file.writelines(json.dumps(row) + "\n" for row in rows)
            file.flush()
            last = rows[-1]
            print(f"[{number}/{len(missing)}] {last['boundary']}, {last['sampler']}, {last['workers']} workers, "
                  f"seed {last['seed']}: {last['wrong_side']:.4f} wrong at {last['trials']}", flush=True)  # fmt: skip


def run(job: Job) -> list[dict[str, Any]]:
    """One study, judged at every number of trials."""
    name, sampler, workers, seed, most = job
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    boundary = real() if name == REAL else simulated(name)
    marks = [trials for trials in TRIALS if trials <= most]
    with threadpool_limits(1):
        if sampler == GRID:
            studies = [(trials, _grid_study(boundary, trials, seed), 0.0) for trials in marks]
        else:
            watch = _Watch()
            frame = run_study(
                boundary, (SAMPLERS | AEPSYCH)[sampler](seed), most, seed=seed, workers=workers, watch=watch
            )
            studies = [
                (trials, frame[frame["number"] < trials], float(np.median(watch.seconds[:trials]))) for trials in marks
            ]
    key = {"boundary": name, "sampler": sampler, "workers": workers, "seed": seed, "most": most}
    return [{**key, "trials": trials, "ask_s": ask, **errors(boundary, frame)} for trials, frame, ask in studies]


def errors(boundary: Boundary, frame: pd.DataFrame) -> dict[str, float | None]:
    """How far the report's surface is from the truth; ``found`` is None where there is nothing to be found."""
    surface = fit_surface(frame, boundary.definition.space)
    assert surface is not None
    found, truth = surface.predict(boundary.points), boundary.points["truth"]
    is_right = ((found["median"] > 0.5) == (truth > 0.5)).to_numpy()
    return {
        "wrong_side": 1.0 - float(is_right.mean()),
        "mean_error": float((found["probability"] - truth).abs().mean()),
        "found": float(is_found(boundary.features, is_right)) if boundary.features else None,
        "at_ends": _share_at_ends(boundary, frame),
    }


def _share_at_ends(boundary: Boundary, frame: pd.DataFrame) -> float:
    """Share of the trials within 1% of an end of the axis of the learning rate."""
    axis = boundary.definition.search_space["learning_rate"]
    assert isinstance(axis, Range)
    along = np.log(frame["learning_rate"] / axis.low) / np.log(axis.high / axis.low)
    return float(((along < 0.01) | (along > 0.99)).mean())


def real() -> Boundary:
    """The table: a trial at a point is one of the five recorded trials at the nearest learning rate."""
    table = pd.read_csv(TABLE)
    table["diverged"] = table["outcome"] == "diverged"
    cells = {key: part for key, part in table.groupby(["learning_rate", "batch_size"])}
    places = table.groupby(["learning_rate", "batch_size"])["diverged"].mean().rename("truth").reset_index()
    rates = np.array(sorted(set(table["learning_rate"])))

    def trial(point: Mapping[str, Any], generator: np.random.Generator) -> Outcome:
        nearest = rates[np.argmin(np.abs(np.log(rates / point["learning_rate"])))]
        row = cells[nearest, point["batch_size"]].iloc[int(generator.integers(5))]
        return Outcome(bool(row["diverged"]), float(row["steps"] / row["horizon"]), float(row["final_loss"]))

    first_peak = (places["batch_size"] >= 128) & (places["learning_rate"] < 3.5e-3) & (places["truth"] > 0.5)
    definition = load_definition(STUDY)
    definition = definition.model_copy(update={"sampler": SamplerConfig()})  # the whole range, not its grid
    return Boundary(REAL, definition, places.assign(clip_norm=np.inf), trial, [first_peak.to_numpy()])


def _grid_study(boundary: Boundary, trials: int, seed: int) -> pd.DataFrame:
    """The largest grid of at most so many points, filled up with points that are visited again."""
    dimensions = {name: boundary.definition.search_space[name] for name in boundary.space}
    listed = [len(dimension.choices) for dimension in dimensions.values() if isinstance(dimension, Choices)]
    free = len(dimensions) - len(listed)
    levels = int(np.floor((trials / np.prod(listed, dtype=int)) ** (1 / free) + 1e-9))
    values = {name: dimension.grid(levels) for name, dimension in dimensions.items()}
    return run_study(boundary, _Grid(values, seed=seed), trials, seed=seed)


class _Grid(GridSampler):
    """Optuna's grid, which otherwise ends the study when it has seen all of it."""

    def after_trial(self, *_: object) -> None:
        """Do not stop."""


class _Watch:
    """Seconds of every `ask`."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds.append(time.perf_counter() - self._started)


def print_tables(rows: pd.DataFrame) -> None:
    """Medians and quartiles over the seeds, and how few trials ours takes for what the best peer needs 256 for."""
    for workers, error in itertools.product(sorted(rows["workers"].unique()), ("wrong_side", "mean_error")):
        part = rows[rows["workers"] == workers]
        print(f"\n{error}, {workers} worker(s): median (quartiles) in percent")
        table = part.groupby(["boundary", "sampler", "trials"])[error].quantile([0.25, 0.5, 0.75]).unstack() * 100
        cells = table.apply(lambda q: f"{q[0.5]:.2f} ({q[0.25]:.2f}-{q[0.75]:.2f})", axis=1)
        print(cells.unstack("trials").to_string())
        most = int(part["trials"].max())
        print(f"\n{error}, {workers} worker(s): ours with 64 trials beside the best peer with {most}, in percent")
        print(beside_the_best(part, error, theirs=most).to_string(float_format="{:.2f}".format))
    keys = ["boundary", "workers", "sampler", "trials"]
    print("\nstudies whose map shows the feature that is easily missed:")
    print(rows.dropna(subset="found").groupby(keys)["found"].agg(["sum", "count"]).astype(int).to_string())
    print("\npercent of the trials within 1% of an end of the learning rate, mean:")
    print((rows.groupby(keys)["at_ends"].mean() * 100).unstack("trials").round(1).to_string())
    print("\nmedian ask, ms:")
    print((rows.groupby(["sampler", "trials"])["ask_s"].median() * 1000).unstack().round(1).to_string())


def beside_the_best(rows: pd.DataFrame, error: str, *, ours: int = 64, theirs: int = 256) -> pd.DataFrame:
    """One row per boundary, medians in percent: ``ours``, ``qmc`` with as many trials, ``best`` peer with more."""
    medians = rows.groupby(["boundary", "sampler", "trials"])[error].median().unstack("trials") * 100
    found = {}
    for boundary in dict.fromkeys(rows["boundary"]):
        table = medians.loc[boundary]
        if OURS not in table.index or len(table) < 2:
            continue
        peers = table.drop(OURS)[theirs]
        best, own = peers.min(), table.loc[OURS, ours]
        sobol = table.loc["qmc", ours] if "qmc" in table.index else np.nan
        found[boundary] = [own, sobol, best, peers.idxmin(), own / best]
    result = pd.DataFrame.from_dict(found, orient="index", columns=["ours", "qmc", "best", "who", "ratio"])
    result.loc["median"] = [*result[["ours", "qmc", "best"]].median(), "", result["ratio"].median()]
    return result


if __name__ == "__main__":
    main()
