"""The images that trials train on."""

from stability_sweep.data.images import FALLBACK_NOTICE, Images, available_dataset, load_images

__all__ = ["FALLBACK_NOTICE", "Images", "available_dataset", "load_images"]
