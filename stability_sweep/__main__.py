"""``python -m stability_sweep``."""

from stability_sweep.cli import main

main()
