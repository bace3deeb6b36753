"""How near the P(diverge) surface and the speed limit come to the truth of simulated studies, and how fast.

Four shapes, 200 trials, 20 seeds; then times for up to 100,000 trials. Usage: ``python -m benchmarks.surface``.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from stability_sweep.analysis.speed_limit import speed_limits
from stability_sweep.analysis.surface import cross_validation, fit_surface
from tests.analysis.simulation import TRUTHS, definition, simulate, soft, true_limit

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
    study = definition()
    rows = []
    print("shape: median |P - truth| (quartiles over seeds), share of places inside the 90% band, 5% speed limit error")
    for name, truth in TRUTHS.items():
        places = simulate(truth, 1024, seed=9999)
        errors, covered, decades = [], [], []
        for seed in range(arguments.seeds):
            surface = fit_surface(simulate(truth, arguments.trials, seed), study)
            assert surface is not None
            found = surface.predict(places)
            errors.append(float((found["probability"] - places["truth"]).abs().median()))
            covered.append(float(((places["truth"] >= found["low"]) & (places["truth"] <= found["high"])).mean()))
            if name in WITH_LIMIT:
                limits = speed_limits(surface, study)
                known = [true_limit(truth, batch, 0.05) for batch in limits["batch_size"]]
                decades.append(float((np.log10(limits["limit"]) - known).abs().median()))
        limit = f", {np.median(decades):.3f} decades [{min(decades):.3f}, {max(decades):.3f}]" if decades else ""
        low, middle, high = np.quantile(errors, [0.25, 0.5, 0.75])
        print(f"{name:>8}: {middle:.3f} ({low:.3f} to {high:.3f}), {np.mean(covered):.2f}{limit}", flush=True)
        rows.append({"shape": name, "errors": errors, "covered": covered, "speed_limit_decades": decades})
    times = []
    for size in arguments.sizes:
        frame = simulate(soft, size, seed=0)
        started = time.perf_counter()
        surface = fit_surface(frame, study)
        fitted = time.perf_counter()
        assert surface is not None
        cross_validation(frame, surface)
        validated = time.perf_counter()
        error = float((surface.predict(frame.head(2000))["probability"] - frame["truth"].head(2000)).abs().median())
        times.append({"trials": size, "fit_s": fitted - started, "validate_s": validated - fitted, "error": error})
        print(
            f"{size} trials: fit {fitted - started:.1f} s, cross-validation {validated - fitted:.1f} s, "
            f"{len(surface.cells.total)} cells, spread {surface.cells.spread:.3f}, median error {error:.4f}"
        )
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps({"shapes": rows, "times": times}))
    print(f"Numbers: {arguments.json}")


if __name__ == "__main__":
    main()
