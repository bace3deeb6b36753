"""How often a remedy gets a verdict that is false, and how many trials it takes to see one that helps.

Studies are simulated: a bent 50% line in learning rate and batch size, noise as soft as asked, remedies that do nothing
but for one, which shifts the line. In a paired study half of a trial's noise is its seed's, which the trials of a block
share. Every study is judged as a report does it.

    python -m benchmarks.remedies --studies 200
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import norm

from benchmarks.growing import add_row, rows_in
from stability_sweep.analysis.proportion import Proportion
from stability_sweep.analysis.remedies import HARMS, HELPS, NO_EFFECT, judge_remedies
from stability_sweep.space.dimensions import Choices, Dimension, Range
from stability_sweep.space.search_space import SearchSpace
from stability_sweep.typing import Array, Integers

BATCHES = (16, 32, 64, 128, 256)
SEED_SHARE = 0.5
"""Of a paired trial's noise."""

FIELDS = (
    "design",
    "trials",
    "remedies",
    "decades",
    "shift",
    "softness",
    "studies",
    "false",
    "false_low",
    "false_high",
    "seen",
    "called_none",
    "estimate",
    "covered",
    "change_covered",
    "half_width",
)


@dataclass(frozen=True)
class Case:
    """A kind of study."""

    is_paired: bool
    trials: int
    remedies: int
    decades: float
    """Of the learning rates that are searched."""
    shift: float
    """What the first remedy does to the 50% line, in decades; the others do nothing."""
    softness: float
    """Decades of the learning rate over which log odds rise by one."""


def space_of(case: Case) -> SearchSpace:
    """Learning rate, batch size and remedies that are on or off."""
    half = case.decades / 2
    names = [f"remedy_{number}" for number in range(case.remedies)]
    dimensions: dict[str, Dimension] = {
        "learning_rate": Range(low=10 ** (-2 - half), high=10 ** (half - 2), log=True),
        "batch_size": Choices(choices=BATCHES),
        **{name: Choices(choices=("no", "yes")) for name in names},
    }
    roles = {"learning_rate": "learning_rate", "batch_size": "batch_size"}
    return SearchSpace(dimensions, roles, own=dict.fromkeys(names, "no"))


def study(case: Case, seed: int) -> pd.DataFrame:
    """Its trials."""
    random = np.random.default_rng(seed)
    count = case.trials
    runs = case.remedies + 1 if case.is_paired else 1
    block = np.arange(count) // runs
    blocks = int(block[-1]) + 1
    rate = random.uniform(-case.decades / 2, case.decades / 2, blocks)[block]
    batch = random.integers(0, len(BATCHES), blocks)[block]
    on = random.random((count, case.remedies)) < 0.5
    shared = np.zeros(count)
    if case.is_paired:
        on = (np.arange(count) % runs)[:, None] == np.arange(1, runs)
        shared = random.normal(size=blocks)[block]
    share = SEED_SHARE if case.is_paired else 0.0
    noise = np.sqrt(share) * shared + np.sqrt(1 - share) * random.normal(size=count)
    diverged = rate - line_at(batch) - case.shift * on[:, 0] + case.softness * logit(norm.cdf(noise)) > 0
    return pd.DataFrame(
        {
            "number": np.arange(count),
            "learning_rate": 10 ** (rate - 2),
            "batch_size": np.array(BATCHES)[batch],
            **{f"remedy_{number}": np.where(on[:, number], "yes", "no") for number in range(case.remedies)},
            "seed": block if case.is_paired else np.arange(count),
            "outcome": np.where(diverged, "diverged", "stable"),
            "steps": 100,
            "yardstick": np.nan,
        }
    )


def change_of(case: Case) -> float:
    """What the first remedy does to P(diverge), averaged over learning rates and batch sizes."""
    rates = np.linspace(-case.decades / 2, case.decades / 2, 2001)[:, None]
    beyond = rates - line_at(np.arange(len(BATCHES)))
    return float((expit((beyond - case.shift) / case.softness) - expit(beyond / case.softness)).mean())


def line_at(batch: Integers) -> Array:
    """The 50% line of a batch size, by its place, in decades from the middle of the learning rates."""
    at = batch / (len(BATCHES) - 1)
    return np.asarray(0.3 - 0.6 * at + 0.8 * (at - 0.5) ** 2)


def measured(case: Case, studies: int) -> dict[str, object]:
    """What the verdicts of many studies were."""
    space = space_of(case)
    false = seen = called_none = covered = change_covered = judged = 0
    change = change_of(case)
    estimates, widths = [], []
    for seed in range(studies):
        table = judge_remedies(study(case, seed), space).table.set_index("dimension")
        table = table[table.index.str.startswith("remedy")]
        truth = np.where(table.index == "remedy_0", case.shift, 0.0)
        wrong = ((table["verdict"] == HELPS) & (truth <= 0)) | ((table["verdict"] == HARMS) & (truth >= 0))
        wrong |= (table["verdict"] == NO_EFFECT) & (np.abs(truth) > table["at_most_decades"])
        false += bool(wrong.any())
        first = table[table.index == "remedy_0"]
        seen += int((first["verdict"] == HELPS).sum())
        called_none += int((table["verdict"] == NO_EFFECT).sum())
        judged += len(table)
        known = table["shift_decades"].notna().to_numpy()
        covered += bool(((table["low"] <= truth) & (truth <= table["high"]))[known].all())
        change_covered += int(((first["low_probability"] <= change) & (change <= first["high_probability"])).sum())
        estimates.append(float(first["shift_decades"].iloc[0]))
        widths.append(float(((table["high"] - table["low"]) / 2).mean()))
    low, high = Proportion(false, studies).interval
    return {
        "design": "paired" if case.is_paired else "jointly drawn",
        "trials": case.trials,
        "remedies": case.remedies,
        "decades": case.decades,
        "shift": case.shift,
        "softness": case.softness,
        "studies": studies,
        "false": false / studies,
        "false_low": low,
        "false_high": high,
        "seen": seen / studies,
        "called_none": called_none / judged,
        "estimate": float(np.nanmedian(estimates)),
        "covered": covered / studies,
        "change_covered": change_covered / studies,
        "half_width": float(np.nanmedian(widths)),
    }


def cases() -> list[Case]:
    """From the smallest study that one would dare to the largest that one would pay for."""
    found = [Case(True, 3 * blocks, 2, 1.5, shift, 0.15) for blocks in (20, 40, 80) for shift in (0.0, 0.3)]
    found += [Case(True, 11 * blocks, 10, 1.5, shift, 0.15) for blocks in (20, 40, 60) for shift in (0.0, 0.3)]
    found += [Case(False, trials, 10, 3.0, shift, 0.15) for trials in (96, 240, 600) for shift in (0.0, 0.3)]
    return [*found, Case(True, 11 * 40, 10, 1.5, 0.3, 0.05), Case(True, 21 * 40, 20, 1.5, 0.3, 0.15)]


def main() -> None:
    """Print a row per kind of study; what a file has already is not measured again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--output", type=Path, help="a CSV file that grows")
    arguments = parser.parse_args()
    done = {tuple(row[name] for name in FIELDS[:7]) for row in rows_in(arguments.output)}
    for case in cases():
        kind = "paired" if case.is_paired else "jointly drawn"
        key = tuple(
            str(each)
            for each in (kind, case.trials, case.remedies, case.decades, case.shift, case.softness, arguments.studies)
        )
        if key in done:
            continue
        row = measured(case, arguments.studies)
        print(
            "  ".join(
                f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items()
            ),
            flush=True,
        )
        add_row(arguments.output, FIELDS, row)


if __name__ == "__main__":
    main()
