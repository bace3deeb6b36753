"""What a study can train: each target behind the same protocol, found by its name."""

from stability_sweep.targets.protocol import TARGETS, Prepared, Settings, Target, TrialSettings

__all__ = ["TARGETS", "Prepared", "Settings", "Target", "TrialSettings"]
