"""The images that trials train on.

`images` loads torch and is imported from its own module, so that finding, checking and choosing data does not.
"""

from stability_sweep.targets.images.fallback import available_dataset

__all__ = ["available_dataset"]
