"""How near the P(diverge) surface and the speed limit come to the truth of simulated studies, and how fast.

Four shapes, 200 trials, 20 seeds; how often the band of a speed limit holds the truth, for three tolerances, three
softnesses and three numbers of trials; then times for up to 100,000 trials.
Usage: ``python -m benchmarks.surface [--seeds N] [--coverage-seeds N]``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from stability_sweep.analysis.speed_limit import speed_limits
from stability_sweep.analysis.surface import Surface, fit_surface, unseen_forecasts
from stability_sweep.typing import Array
from tests.analysis.simulation import (
    TRUTHS,
    Truth,
    definition,
    definition_without_clipping,
    simulate,
    soft,
    true_limit,
)

SOFTNESS = {"sharp": 80.0, "half": 36.0, "soft": 18.0}
"""Logits from end to end of five decades: nine tenths of the change within 0.3, 0.6 and 1.2 decades."""

WITH_LIMIT = ("soft", "curved")
"""Shapes that pass 5% once on the way up."""


def main() -> None:
    """Measure, print tables, and write the numbers as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--coverage-seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--sizes", type=lambda t: [int(n) for n in t.split(",")], default=[1000, 10_000, 100_000])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/surface.json"))
    arguments = parser.parse_args()
    print("median |P - truth| (quartiles over seeds), share of places inside the 90% band; error of the 5% speed limit")
    shapes = [_shape(name, truth, arguments.trials, arguments.seeds) for name, truth in TRUTHS.items()]
    covered = _coverage(arguments.coverage_seeds)
    times = [_times(size) for size in arguments.sizes]
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps({"shapes": shapes, "covered": covered, "times": times}))
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
            row["limit_decades"].append(float(np.nanmedian(np.abs(np.log10(limits["limit"]) - known))))
            row["limit_covered"].append(float(((limits["low"] <= 10**known) & (10**known <= limits["high"])).mean()))
    low, middle, high = np.quantile(row["errors"], [0.25, 0.5, 0.75])
    line = f"{name:>8}: {middle:.3f} ({low:.3f} to {high:.3f}), {np.mean(row['covered']):.2f}"
    if row["limit_decades"]:
        low, middle, high = np.quantile(row["limit_decades"], [0.25, 0.5, 0.75])
        line += f"; {middle:.3f} decades ({low:.3f} to {high:.3f}), in its band {np.mean(row['limit_covered']):.2f}"
    print(line, flush=True)
    return row


def _coverage(seeds: int) -> list[dict[str, Any]]:
    """How often the 90% band of a speed limit holds the true one, and where it lies when it does not."""
    space = definition_without_clipping().space
    rows = []
    print("speed limit: share of batch sizes whose 90% band holds the truth (lies below it), median width in decades")
    for (name, steepness), trials in itertools.product(SOFTNESS.items(), (64, 200, 1000)):
        truth = partial(_line, steepness)
        held: dict[float, list[tuple[bool, bool, float]]] = {tolerance: [] for tolerance in (0.01, 0.05, 0.5)}
        for seed in range(seeds):
            surface = fit_surface(simulate(truth, trials, seed).assign(clip_norm=math.inf), space)
            assert surface is not None
            for tolerance, found in held.items():
                limits = speed_limits(surface, space, tolerance=tolerance)
                known = np.array([10 ** true_limit(truth, batch, tolerance) for batch in limits["batch_size"]])
                low, high = limits["low"].to_numpy(), limits["high"].to_numpy()
                width = np.log10(high.clip(1e-6, 1e-1) / low.clip(1e-6, 1e-1))
                found.extend(zip((low <= known) & (known <= high), high < known, width, strict=True))
        for tolerance, found in held.items():
            inside, below, width = np.array(found, dtype=np.float64).T
            row = {"shape": name, "trials": trials, "tolerance": tolerance, "covered": inside.mean()}
            rows.append(row | {"below": below.mean(), "width": float(np.median(width))})
            shares = f"{inside.mean():.2f} ({below.mean():.2f}), {np.median(width):.2f}"
            print(f"{name:>6} {trials:>5} {tolerance:>5.0%}: {shares}", flush=True)
    return rows


def _line(steepness: float, unit: Array) -> Array:
    """A straight boundary over five decades: `steepness` logits from end to end."""
    return np.asarray(expit(steepness * (unit[:, 0] - 0.55 + 0.2 * (unit[:, 1] - 0.5))))


def _times(trials: int) -> dict[str, float]:
    frame = simulate(soft, trials, seed=0)
    started = time.perf_counter()
    surface = fit_surface(frame, definition().space)
    fitted = time.perf_counter()
    assert surface is not None
    unseen_forecasts(frame, surface)
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
