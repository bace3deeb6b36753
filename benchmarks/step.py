"""Milliseconds per training step (forward, backward, clipping, optimizer), ours beside pythae 0.1.2, in one run.

Both get the same weights, images and optimizer settings. The measurements alternate, so that a machine that slows
down slows both. The floor is the time of the matrix products alone that a step cannot do without. On a machine with a
GPU the same is measured there too. Peak memory is that of a process of its own.
Usage: ``python -m benchmarks.step [--runs N] [--batches 16,64] [--steps 1,3] [--json FILE] [--chart FILE]``.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.chart import draw_chart, step_figure
from benchmarks.floor import LATENT_DIM, floor_step
from stability_sweep.engine.gradient import gradient_norm, scale_gradient
from stability_sweep.models import RHVAE, load_pythae_state
from stability_sweep.targets.rhvae.settings import RHVAEConfig

SHORTEST_RUN_SECONDS = 0.3


def main() -> None:
    """Measure, print a table, and write the numbers as JSON."""
    arguments = _arguments()
    if arguments.memory_of:
        _report_memory(arguments.memory_of)
        return
    torch.set_num_threads(arguments.threads)
    rows = []
    print(
        f"torch {torch.__version__}, Python {platform.python_version()}, {arguments.threads} threads, "
        f"median of {arguments.runs} runs [smallest, largest]"
    )
    print(f"{'':>6} {'K':>2} {'batch':>6} {'ours, ms':>22} {'pythae 0.1.2, ms':>26} {'ratio':>20} {'ours / floor':>18}")
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        for n_lf in arguments.steps:
            for batch in arguments.batches:
                row = _measure(n_lf, batch, arguments.runs, device)
                rows.append(row)
                print(
                    f"{device:>6} {n_lf:>2} {batch:>6} {_spread(row['ours_ms']):>22} {_spread(row['pythae_ms']):>26} "
                    f"{_spread(row['ratio']):>20} {_spread(row['floor_ratio'], 2):>18}",
                    flush=True,
                )
    memory = {who: _peak_memory_mib(who) for who in (() if arguments.no_memory else ("ours", "pythae"))}
    for who, mib in memory.items():
        print(f"peak memory of a process, K = 3, batch 1024, {who}: {mib:.0f} MiB")
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    machine = {"torch": torch.__version__, "threads": arguments.threads, "python": platform.python_version()}
    numbers = {**machine, "latent_dim": LATENT_DIM, "rows": rows, "peak_memory_mib": memory}
    arguments.json.write_text(json.dumps(numbers, indent=1))
    draw_chart(step_figure(numbers), arguments.chart)
    print(f"Numbers: {arguments.json}\nChart: {arguments.chart}")


def _measure(n_lf: int, batch: int, runs: int, device: str) -> dict[str, Any]:
    names = ("ours_ms", "pythae_ms", "floor_ms")
    steps = dict(zip(names, (*_steps(n_lf, batch, device), floor_step(n_lf, batch, device)), strict=True))
    counts = {name: _steps_per_run(step) for name, step in steps.items()}
    row: dict[str, Any] = {"device": device, "n_lf": n_lf, "batch": batch, **{name: [] for name in names}}
    for _ in range(runs):
        for name, step in steps.items():
            row[name].append(_milliseconds(step, counts[name]))
    row["ratio"] = [theirs / own for own, theirs in zip(row["ours_ms"], row["pythae_ms"], strict=True)]
    row["floor_ratio"] = [own / floor for own, floor in zip(row["ours_ms"], row["floor_ms"], strict=True)]
    return row


def _steps(n_lf: int, batch: int, device: str) -> tuple[Callable[[], None], Callable[[], None]]:
    """One training step of each model, ready to be called."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pythae.models
    settings: dict[str, Any] = {"latent_dim": LATENT_DIM, "n_lf": n_lf, "regularization": 1e-3}
    config = RHVAEConfig(**settings)
    torch.manual_seed(0)
    theirs = pythae.models.RHVAE(pythae.models.RHVAEConfig(input_dim=(784,), **settings)).to(device).train()
    theirs.device = device
    ours = RHVAE(config).to(device).train()
    load_pythae_state(ours, theirs.state_dict())
    images = torch.rand(batch, 784).to(device)
    return (
        _step(ours, lambda: ours.loss(images), fused=True),
        _step(theirs, lambda: theirs({"data": images}).loss, fused=False),
    )


def _step(model: nn.Module, loss: Callable[[], Tensor], *, fused: bool) -> Callable[[], None]:
    """A whole step, with a gradient clipped to norm 1."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=1e-4, fused=fused)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        if fused:  # as our trainer does
            scale_gradient(parameters, gradient_norm(parameters), 1.0)
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
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - started) / count


def _spread(values: list[float], digits: int = 1) -> str:
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


def _peak_memory_mib(who: str) -> float:
    """Peak resident memory of a process that steps with K = 3 and 1024 images, Python and torch included."""
    command = [sys.executable, "-m", "benchmarks.step", "--memory-of", who]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _report_memory(who: str) -> None:
    step = _steps(3, 1024, "cpu")[0 if who == "ours" else 1]
    for _ in range(3 if who == "ours" else 1):  # one of pythae's takes half a minute
        step()
    # Not getrusage: Linux counts the memory of the process that started this one into its maximum.
    status = Path("/proc/self/status").read_text()
    print(int(status.split("VmHWM:")[1].split()[0]) / 1024)


def _arguments() -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(number) for number in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", type=numbers, default=[16, 64, 256, 1024])
    parser.add_argument("--steps", type=numbers, default=[1, 3], help="numbers of leapfrog steps")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/step.json"))
    parser.add_argument("--chart", type=Path, default=Path("benchmarks/results/step.png"))
    parser.add_argument("--no-memory", action="store_true", help="do not measure memory (pythae's takes a minute)")
    parser.add_argument("--memory-of", choices=["ours", "pythae"], help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
