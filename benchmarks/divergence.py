"""The share of runs that diverge within a horizon, ours beside pythae 0.1.2, with equal weights, batches and noise.

K = 1, float32, d = 16, Adam without clipping, MNIST. Later than about 20 steps rounding differences grow chaotically,
so single runs part; the shares must not. Usage: ``python -m benchmarks.divergence [--seeds 20] [--horizon 200]``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from stability_sweep.analysis.proportion import Proportion
from stability_sweep.targets.images.images import load_images
from stability_sweep.targets.images.settings import DataConfig
from stability_sweep.targets.rhvae.settings import RHVAEConfig
from tests.targets.rhvae.reference import divergence_steps

SETTINGS = [(16, 5e-3, 1e-2), (32, 4.3e-3, 1e-2), (64, 3e-3, 1e-2), (64, 1.2e-2, 1e-3)]
"""Batch size, learning rate, step size of the leapfrog: around the boundary."""


def main() -> None:
    """Train all pairs, print a table, and write the steps as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--horizon", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/divergence.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    images = load_images(DataConfig(training_images=10_000), None, torch.device("cpu")).training
    rows = []
    print(f"torch {torch.__version__}; diverged within {arguments.horizon} steps, of {arguments.seeds} seeds [95%]")
    for batch_size, learning_rate, eps_lf in SETTINGS:
        config = RHVAEConfig(latent_dim=16, n_lf=1, eps_lf=eps_lf, regularization=1e-3)
        steps = [
            divergence_steps(
                config,
                images,
                learning_rate=learning_rate,
                batch_size=batch_size,
                horizon=arguments.horizon,
                seed=seed,
            )
            for seed in range(arguments.seeds)
        ]
        rows.append({"batch": batch_size, "learning_rate": learning_rate, "eps_lf": eps_lf, "pythae_and_ours": steps})
        print(_row(batch_size, learning_rate, eps_lf, steps), flush=True)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps({"torch": torch.__version__, "horizon": arguments.horizon, "rows": rows}))
    print(f"Numbers: {arguments.json}")


def _row(batch: int, rate: float, eps_lf: float, steps: list[tuple[int | None, int | None]]) -> str:
    shares = []
    for who in (0, 1):
        diverged = sum(pair[who] is not None for pair in steps)
        low, high = Proportion(diverged, len(steps)).interval
        shares.append(f"{diverged}/{len(steps)} [{100 * low:.0f}-{100 * high:.0f}%]")
    early = [pair for pair in steps if min(step or 10**9 for step in pair) <= 20]
    same = sum(theirs == ours for theirs, ours in early)
    return (
        f"batch {batch:>3}, learning rate {rate:g}, eps {eps_lf:g}: pythae {shares[0]}, ours {shares[1]}; "
        f"within 20 steps {len(early)}, in the same step {same}"
    )


if __name__ == "__main__":
    main()
