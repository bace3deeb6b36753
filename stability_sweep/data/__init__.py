"""The images that trials train on."""

from stability_sweep.data.images import Images, available_dataset, load_images

__all__ = ["Images", "available_dataset", "load_images"]
