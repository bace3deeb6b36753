"""The device and the threads that torch computes with."""

from __future__ import annotations

import torch

from stability_sweep.engine.cores import allowed_cores, threads_are_set
from stability_sweep.errors import StabilitySweepError


class DeviceError(StabilitySweepError):
    """A device that this machine does not have."""


def resolve_device(name: str) -> torch.device:
    """The device of that name; "auto" is a GPU if there is one.

    Raises:
        DeviceError: if it does not exist here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise DeviceError(f"--device {name}: not to be used here ({reason}); expected auto, cpu or cuda:N") from error
    return device


def set_threads(threads: int | None, *, workers: int = 1) -> int:
    """Set torch's thread count for this process, and return it.

    Args:
        threads: so many. None leaves it to the environment, and takes this process's share of the cores where that
            says nothing.
        workers: how many processes share the cores.
    """
    if threads is None and threads_are_set():
        return torch.get_num_threads()
    chosen = threads if threads is not None else max(1, allowed_cores() // workers)
    torch.set_num_threads(chosen)
    return chosen
