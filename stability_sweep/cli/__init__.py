"""The command line: one small module per command."""

from stability_sweep.cli.app import main

__all__ = ["main"]
