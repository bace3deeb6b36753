"""Milliseconds per training step (forward, backward, clipping, optimizer), ours beside pythae 0.1.2, in one run.

Both get the same weights, images and optimizer settings. The measurements alternate, so that a machine that slows
down slows both. Usage: ``python -m benchmarks.step [--runs N] [--batches 16,64] [--steps 1,3] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stability_sweep.configs import RHVAEConfig
from stability_sweep.models import RHVAE, load_pythae_state
from stability_sweep.training.trainer import gradient_norm, scale_gradient

LATENT_DIM = 16
SHORTEST_RUN_SECONDS = 0.3


def main() -> None:
    """Measure, print a table, and write the numbers as JSON."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    rows = []
    print(
        f"torch {torch.__version__}, {arguments.threads} threads, median of {arguments.runs} runs [smallest, largest]"
    )
    print(f"{'K':>2} {'batch':>6} {'ours, ms':>24} {'pythae 0.1.2, ms':>28} {'ratio':>24}")
    for n_lf in arguments.steps:
        for batch in arguments.batches:
            row = _measure(n_lf, batch, arguments.runs)
            rows.append(row)
            print(
                f"{n_lf:>2} {batch:>6} {_spread(row['ours_ms']):>24} {_spread(row['pythae_ms']):>28} "
                f"{_spread(row['ratio']):>24}",
                flush=True,
            )
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    machine = {"torch": torch.__version__, "threads": arguments.threads, "python": platform.python_version()}
    arguments.json.write_text(json.dumps({**machine, "latent_dim": LATENT_DIM, "rows": rows}, indent=1))
    print(f"Numbers: {arguments.json}")


def _measure(n_lf: int, batch: int, runs: int) -> dict[str, Any]:
    ours, pythae = _steps(n_lf, batch)
    counts = [_steps_per_run(step) for step in (ours, pythae)]
    ours_ms, pythae_ms = [], []
    for _ in range(runs):
        ours_ms.append(_milliseconds(ours, counts[0]))
        pythae_ms.append(_milliseconds(pythae, counts[1]))
    ratio = [theirs / own for own, theirs in zip(ours_ms, pythae_ms, strict=True)]
    return {"n_lf": n_lf, "batch": batch, "ours_ms": ours_ms, "pythae_ms": pythae_ms, "ratio": ratio}


def _steps(n_lf: int, batch: int) -> tuple[Callable[[], None], Callable[[], None]]:
    """One training step of each model, ready to be called."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pythae.models
    settings: dict[str, Any] = {"latent_dim": LATENT_DIM, "n_lf": n_lf, "regularization": 1e-3}
    config = RHVAEConfig(**settings)
    torch.manual_seed(0)
    theirs = pythae.models.RHVAE(pythae.models.RHVAEConfig(input_dim=(784,), **settings)).train()
    ours = RHVAE(config).train()
    load_pythae_state(ours, theirs.state_dict())
    images = torch.rand(batch, 784)
    return (
        _step(ours, lambda: ours.loss(images), fused=True),
        _step(theirs, lambda: theirs({"data": images}).loss, fused=False),
    )


def _step(model: nn.Module, loss: Callable[[], Tensor], *, fused: bool) -> Callable[[], None]:
    """A whole step; ours clips as our trainer does, pythae's as its users do."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=1e-4, fused=fused)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        if fused:
            scale_gradient(model, gradient_norm(model), 1.0)
        else:
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    return step


def _steps_per_run(step: Callable[[], None]) -> int:
    step()  # warm up
    return max(1, round(SHORTEST_RUN_SECONDS * 1000 / _milliseconds(step, 1)))


def _milliseconds(step: Callable[[], None], count: int) -> float:
    started = time.perf_counter()
    for _ in range(count):
        step()
    return 1000 * (time.perf_counter() - started) / count


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} [{min(values):.1f}, {max(values):.1f}]"


def _arguments() -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(number) for number in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", type=numbers, default=[16, 64, 256, 1024])
    parser.add_argument("--steps", type=numbers, default=[1, 3], help="numbers of leapfrog steps")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/step.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
