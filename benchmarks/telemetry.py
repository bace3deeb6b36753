"""What telemetry costs: training steps with a recorder beside the same steps without, and the size of what is stored.

Both runs train in turn, block by block, with equal weights, batches and noise; the ratio is taken block by block.
Usage: ``python -m benchmarks.telemetry [--blocks N] [--threads N] [--batches 16,256] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from stability_sweep.engine import TelemetryRecorder
from stability_sweep.engine.reader import LossReader
from stability_sweep.engine.recorder import STEPS_AT_ONCE
from stability_sweep.engine.seeds import TrialSeeds
from stability_sweep.engine.settings import OutcomeConfig, TrainingConfig
from stability_sweep.engine.step import Stepper
from stability_sweep.models import ForwardPass
from stability_sweep.targets.images.images import Images, load_images
from stability_sweep.targets.images.settings import DataConfig
from stability_sweep.targets.rhvae.settings import RHVAEConfig, TrialConfig
from stability_sweep.targets.rhvae.trainable import TrainableRHVAE, train

BLOCK_SECONDS = 0.6
DATA = DataConfig(training_images=10_000, validation_images=500)


def main() -> None:
    """Measure, print a table, and write the numbers as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--blocks", type=int, default=25)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batches", type=lambda text: [int(b) for b in text.split(",")], default=[16, 256])
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/telemetry.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    images = load_images(DATA, None, torch.device("cpu"))
    print(f"torch {torch.__version__}, {arguments.threads} thread(s); with telemetry / without, median [quartiles]")
    rows = []
    for batch in arguments.batches:
        for n_lf in (1, 3):
            row = _measure(batch, n_lf, arguments.blocks, images)
            rows.append(row)
            low, middle, high = statistics.quantiles(row["ratio"])
            print(
                f"batch {batch:>4}, K = {n_lf}: {row['plain_ms']:6.2f} ms per step, "
                f"ratio {middle:.3f} [{low:.3f}, {high:.3f}]",
                flush=True,
            )
    sizes = {steps: len(_stored(steps, images)) for steps in (150, 10_000)}
    for steps, size in sizes.items():
        print(f"stored for {steps} steps: {size} bytes")
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps({"torch": torch.__version__, "rows": rows, "stored_bytes": sizes}))
    print(f"Numbers: {arguments.json}")


def _config(batch: int, n_lf: int, steps: int) -> TrialConfig:
    return TrialConfig(
        model=RHVAEConfig(latent_dim=16, n_lf=n_lf, regularization=1e-3),
        training=TrainingConfig(learning_rate=1e-4, batch_size=batch, clip_norm=1.0, horizon_steps=steps),
        data=DATA,
        outcome=OutcomeConfig(),
    )


class _Pausing:
    """A run that is paused after every block, so that two of them can take turns in one process."""

    def __init__(self, config: TrialConfig, images: Images, recorder: TelemetryRecorder | None) -> None:
        trainable = TrainableRHVAE(config, images)
        self._stepper = Stepper(trainable, TrialSeeds.of(3))
        self._reader: LossReader[ForwardPass] = LossReader()
        self._recorder = recorder
        if recorder is not None:
            recorder.start(
                self._stepper.model, trainable.signals, config.training.clip_norm, steps_at_once=STEPS_AT_ONCE
            )
        self._stepper.model.train()
        self._step = 0

    def milliseconds(self, steps: int) -> float:
        """Per step, over the next steps."""
        started = time.perf_counter()
        for _ in range(steps):
            self._step += 1
            step = self._stepper.step(self._step)
            self._reader.add(step)
            if self._recorder is not None:
                self._recorder.observe(step.number, step.passes, step.loss_and_norm)
            self._reader.read(lambda number, loss: None)
        return 1000 * (time.perf_counter() - started) / steps


def _measure(batch: int, n_lf: int, blocks: int, images: Images) -> dict[str, Any]:
    config = _config(batch, n_lf, 10**6)
    runs = [_Pausing(config, images, None), _Pausing(config, images, TelemetryRecorder())]
    steps = max(16, math.ceil(BLOCK_SECONDS * 1000 / runs[0].milliseconds(16) / 16) * 16)
    runs[1].milliseconds(16)
    times: list[list[float]] = [[], []]
    for block in range(blocks):
        for who in (0, 1) if block % 2 else (1, 0):
            times[who].append(runs[who].milliseconds(steps))
    ratio = [recorded / plain for plain, recorded in zip(*times, strict=True)]
    return {"batch": batch, "n_lf": n_lf, "plain_ms": statistics.median(times[0]), "ratio": ratio}


def _stored(steps: int, images: Images) -> bytes:
    """Telemetry of a real run of so many steps, as it is stored."""
    recorder = TelemetryRecorder()
    train(_config(16, 1, steps), images, seed=3, recorder=recorder)
    return recorder.telemetry().to_bytes()


if __name__ == "__main__":
    main()
