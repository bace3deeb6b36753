"""The images that trials train on.

`images` loads torch and is imported from its own module, so that finding, checking and choosing data does not.
"""

from stability_sweep.targets.images.fallback import FALLBACK_NOTICE, available_dataset

__all__ = ["FALLBACK_NOTICE", "available_dataset"]
