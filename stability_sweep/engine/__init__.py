"""Runs of anything that is Trainable: from a trial's settings and seed to its result.

`train` and what it gives load torch; `settings` and `seeds` do not, and are imported from their own modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stability_sweep.lazy import lazily

if TYPE_CHECKING:
    from stability_sweep.engine.loop import train
    from stability_sweep.engine.recorder import TelemetryRecorder
    from stability_sweep.engine.run import BrokenStep, Progress, StopTrainingError, TrainingRun

__all__ = ["BrokenStep", "Progress", "StopTrainingError", "TelemetryRecorder", "TrainingRun", "train"]

__getattr__ = lazily(
    __name__,
    {
        "BrokenStep": "stability_sweep.engine.run",
        "Progress": "stability_sweep.engine.run",
        "StopTrainingError": "stability_sweep.engine.run",
        "TelemetryRecorder": "stability_sweep.engine.recorder",
        "TrainingRun": "stability_sweep.engine.run",
        "train": "stability_sweep.engine.loop",
    },
)
