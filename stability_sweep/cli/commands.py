"""The commands by their names: ours, and those that installed packages add."""

from __future__ import annotations

from collections.abc import Callable

import typer

from stability_sweep.errors import StabilitySweepError
from stability_sweep.registry import Registry
from stability_sweep.workers.launch.command import WORKER

COMMANDS: Registry[Callable[..., None] | typer.Typer] = Registry(
    "stability_sweep.commands",
    {
        "run": "stability_sweep.cli.run:run",
        WORKER: "stability_sweep.cli.worker:worker",
        "report": "stability_sweep.cli.report:report",
        "status": "stability_sweep.cli.status:status",
        "list": "stability_sweep.cli.listing:list_studies",
        "show": "stability_sweep.cli.show:show",
        "replay": "stability_sweep.cli.replay:replay",
        "export": "stability_sweep.cli.export:export",
        "db": "stability_sweep.cli.database:app",
        "data": "stability_sweep.cli.data:app",
    },
)
"""A function with Typer's annotations, or a Typer application with commands of its own, by the command's name."""


def add_commands(app: typer.Typer) -> list[str]:
    """Give an application all commands.

    Returns:
        One line for each that cannot be had because the package that adds it is broken.
    """
    broken = []
    for name in COMMANDS.names():
        try:
            command = COMMANDS[name]
        except StabilitySweepError as error:
            broken.append(str(error))
            continue
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return broken
