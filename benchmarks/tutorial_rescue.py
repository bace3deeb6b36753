"""Which remedy saves the runs that the tutorial's configuration kills? Paired by seed with the study `tutorial-bug`.

Every seed whose baseline died is trained again with one remedy at a time, up to 1.3 times the images after which its
twin died: a run that gets so far is saved, one that dies later than its twin is delayed. Every run is one line of the
CSV, so the benchmark may be stopped and started again, and several may share the work.

    python -m benchmarks.tutorial_rescue --baseline reports/tutorial_bug/trials.csv --part 0 --parts 2
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.growing import add_row, rows_in
from stability_sweep.definition.files import load_definition
from stability_sweep.definition.study import StudyDefinition, define
from stability_sweep.engine import StopTrainingError
from stability_sweep.engine.run import Progress
from stability_sweep.results.outcome import Outcome
from stability_sweep.space.dimensions import Point

ROOT = Path(__file__).parents[1]
DEFINITION = ROOT / "studies" / "tutorial_bug.toml"
BASELINE = ROOT / "reports" / "tutorial_bug" / "trials.csv"
TABLE = ROOT / "reports" / "tutorial_bug" / "rescue.csv"

BEYOND = 1.3
"""A run is saved if it is finite after so many times the images after which its twin died."""

REMEDIES: dict[str, Point] = {
    "gradient cap 10": {"model.hamiltonian_gradient_cap": 10.0},
    "clip norm 1": {"clip_norm": 1.0},
    "learning rate 3e-5": {"learning_rate": 3e-5},
    "outliers skipped": {"training.outlier_gradient": "skip"},
    "rollback, rate halved": {"training.rollback_allowance": 5},
    "metric condition 100": {"model.metric_condition_cap": 100.0},
    "metric clamp 2": {"model.metric_log_diagonal_clamp": 2.0},
    "log-variance clamp 5": {"model.log_variance_clamp": 5.0},
    "Cholesky momentum": {"model.momentum_factor": "cholesky"},
    "float64": {"model.precision": "float64"},
    "warm-up 500": {"training.warmup_steps": 500},
    "cosine": {"training.schedule": "cosine"},
    "plateau": {"training.schedule": "plateau"},
    "AdaGC": {"training.adaptive_clipping": "adagc"},
    "AGC": {"training.adaptive_clipping": "agc"},
    "warm-up after spikes": {"training.spike_restart_steps": 100},
    "batch size 16": {"batch_size": 16},
    "accumulation 4": {"training.accumulation_steps": 4},
}
"""One at a time, in the order in which they are tried; the tutorial's ResNets have activations of their own."""

FIELDS = (
    "number",
    "remedy",
    "outcome",
    "steps",
    "steps_wanted",
    "twin_died_at_step",
    "images_ratio",
    "origin",
    "loss",
    "seconds",
)


@dataclass(frozen=True)
class Twin:
    """A baseline that died."""

    number: int
    step: int


class _FarEnoughError(StopTrainingError):
    """A run has outlived its twin."""


def twins(baseline: Path) -> list[Twin]:
    """The seeds whose baseline died, the soonest first."""
    trials = pd.read_csv(baseline)
    died = trials[trials["outcome"] == Outcome.DIVERGED.value].sort_values("divergence_step")
    pairs = zip(died["number"].tolist(), died["divergence_step"].tolist(), strict=True)
    return [Twin(int(number), int(step)) for number, step in pairs]


def runs(found: list[Twin]) -> Iterator[tuple[Twin, str]]:
    """Every run: all remedies on the first seed, then on the next."""
    for twin in found:
        yield from ((twin, name) for name in REMEDIES)


def rescued(definition: StudyDefinition, prepared: Any, twin: Twin, name: str) -> dict[str, object]:
    """One run."""
    point: Point = {"learning_rate": 1e-4, "batch_size": 64, "clip_norm": float("inf"), **REMEDIES[name]}
    config = definition.at(point)
    images = int(point["batch_size"]) * int(point.get("training.accumulation_steps", 1))
    steps_wanted = round(BEYOND * twin.step * 64 / images)
    reached, loss = 0, float("nan")

    def watch(progress: Progress) -> None:
        nonlocal reached, loss
        reached, loss = progress.step, progress.loss
        if reached >= steps_wanted:
            raise _FarEnoughError

    began = time.perf_counter()
    outcome, origin = "saved", ""
    try:
        run = prepared.run(config, seed=definition.trial_seed(twin.number), on_step=watch)
    except _FarEnoughError:
        pass
    else:
        reached, divergence = run.result.steps, run.result.divergence
        if divergence is not None:
            outcome = "delayed" if reached * images > twin.step * 64 else "died"
            origin = divergence.origin or ""
    return {
        "number": twin.number,
        "remedy": name,
        "outcome": outcome,
        "steps": reached,
        "steps_wanted": steps_wanted,
        "twin_died_at_step": twin.step,
        "images_ratio": round(reached * images / (twin.step * 64), 3),
        "origin": origin,
        "loss": f"{loss:.5g}",
        "seconds": round(time.perf_counter() - began, 1),
    }


def main() -> None:
    """Train what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--baseline", type=Path, default=BASELINE)
    parser.add_argument("--output", type=Path, default=TABLE)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--part", type=int, default=0)
    parser.add_argument("--parts", type=int, default=1)
    arguments = parser.parse_args()
    # Long enough for the run whose twin died last; a schedule that ends at the horizon then ends there.
    as_written = json.loads(load_definition(DEFINITION).to_json())
    longer = define(**{**as_written, "training": {**as_written["training"], "horizon_epochs": 17.0}})
    prepared = longer.prepare(data_dir=arguments.data, device=torch.device("cpu"))
    done = {(row["number"], row["remedy"]) for row in rows_in(arguments.output)}
    for place, (twin, name) in enumerate(runs(twins(arguments.baseline))):
        # The place in the whole list: what is missing is another list for every process that starts.
        if place % arguments.parts != arguments.part or (str(twin.number), name) in done:
            continue
        row = rescued(longer, prepared, twin, name)
        add_row(arguments.output, FIELDS, row)
        print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)


if __name__ == "__main__":
    main()
