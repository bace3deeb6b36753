"""How near the P(diverge) surface and the speed limit come to the truth of simulated studies, and how fast.

Four shapes, 200 trials, 20 seeds; then times for up to 100,000 trials. Usage: ``python -m benchmarks.surface``.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from stability_sweep.analysis.speed_limit import speed_limits
from stability_sweep.analysis.surface import Surface, cross_validation, fit_surface
from tests.analysis.simulation import TRUTHS, Truth, definition, simulate, soft, true_limit

WITH_LIMIT = ("soft", "curved")
"""Shapes that pass 5% once on the way up."""


def main() -> None:
    """Measure, print tables, and write the numbers as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--sizes", type=lambda t: [int(n) for n in t.split(",")], default=[1000, 10_000, 100_000])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/surface.json"))
    arguments = parser.parse_args()
    print("median |P - truth| (quartiles over seeds), share of places inside the 90% band; error of the 5% speed limit")
    shapes = [_shape(name, truth, arguments.trials, arguments.seeds) for name, truth in TRUTHS.items()]
    times = [_times(size) for size in arguments.sizes]
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps({"shapes": shapes, "times": times}))
    print(f"Numbers: {arguments.json}")


def _shape(name: str, truth: Truth, trials: int, seeds: int) -> dict[str, Any]:
    places = simulate(truth, 1024, seed=9999)
    row: dict[str, Any] = {"shape": name, "errors": [], "covered": [], "limit_decades": [], "limit_covered": []}
    for seed in range(seeds):
        surface = _fit(truth, trials, seed)
        found = surface.predict(places)
        row["errors"].append(float((found["probability"] - places["truth"]).abs().median()))
        row["covered"].append(float(((places["truth"] >= found["low"]) & (places["truth"] <= found["high"])).mean()))
        if name in WITH_LIMIT:
            limits = speed_limits(surface, definition().space)
            known = np.array([true_limit(truth, batch, 0.05) for batch in limits["batch_size"]])
            row["limit_decades"].append(float(np.median(np.abs(np.log10(limits["limit"]) - known))))
            row["limit_covered"].append(float(((limits["low"] <= 10**known) & (10**known <= limits["high"])).mean()))
    low, middle, high = np.quantile(row["errors"], [0.25, 0.5, 0.75])
    line = f"{name:>8}: {middle:.3f} ({low:.3f} to {high:.3f}), {np.mean(row['covered']):.2f}"
    if row["limit_decades"]:
        low, middle, high = np.quantile(row["limit_decades"], [0.25, 0.5, 0.75])
        line += f"; {middle:.3f} decades ({low:.3f} to {high:.3f}), in its band {np.mean(row['limit_covered']):.2f}"
    print(line, flush=True)
    return row


def _times(trials: int) -> dict[str, float]:
    frame = simulate(soft, trials, seed=0)
    started = time.perf_counter()
    surface = fit_surface(frame, definition().space)
    fitted = time.perf_counter()
    assert surface is not None
    cross_validation(frame, surface)
    validated = time.perf_counter()
    error = float((surface.predict(frame.head(2000))["probability"] - frame["truth"].head(2000)).abs().median())
    print(
        f"{trials} trials: fit {fitted - started:.1f} s, cross-validation {validated - fitted:.1f} s, "
        f"{len(surface.cells.trials)} cells, spread {surface.cells.spread:.3f}, median error {error:.4f}"
    )
    return {"trials": trials, "fit_s": fitted - started, "validate_s": validated - fitted, "error": error}


def _fit(truth: Truth, trials: int, seed: int) -> Surface:
    surface = fit_surface(simulate(truth, trials, seed), definition().space)
    assert surface is not None
    return surface


if __name__ == "__main__":
    main()
