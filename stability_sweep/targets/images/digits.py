"""scikit-learn's embedded handwritten digits, upsampled to MNIST's size: real images without a download.

Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stability_sweep.targets.images.datasets import DIGITS


def digits_images() -> NDArray[np.float32]:
    """All 1,797 images, (1797, 784), values in [0, 1], in a fixed shuffled order (they come sorted by writer)."""
    import torch
    from sklearn.datasets import load_digits

    small = torch.from_numpy(load_digits().images / 16.0).float().unsqueeze(1)
    large = torch.nn.functional.interpolate(small, size=(28, 28), mode="bilinear", align_corners=False)
    order = np.random.default_rng(0).permutation(DIGITS.images)
    return np.asarray(large.clamp(0, 1).reshape(DIGITS.images, -1).numpy()[order], dtype=np.float32)
