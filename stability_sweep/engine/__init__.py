"""Runs of anything that is Trainable: from a trial's settings and seed to its result.

`train` and what it gives load torch; `settings` and `seeds` do not, and are imported from their own modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stability_sweep.engine.loop import train
    from stability_sweep.engine.recorder import TelemetryRecorder
    from stability_sweep.engine.run import BrokenStep, Progress, StopTrainingError, TrainingRun

__all__ = ["BrokenStep", "Progress", "StopTrainingError", "TelemetryRecorder", "TrainingRun", "train"]

_HOMES = {
    "BrokenStep": "run",
    "Progress": "run",
    "StopTrainingError": "run",
    "TelemetryRecorder": "recorder",
    "TrainingRun": "run",
    "train": "loop",
}


def __getattr__(name: str) -> Any:
    """A definition needs `engine.settings`, and should not wait for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
