"""Where a trial is computed: what can make its numbers differ from those of another machine."""

from __future__ import annotations

import os
import platform
import socket
from pathlib import Path

import torch

from stability_sweep.storage import Provenance

_CPU_INFO = Path("/proc/cpuinfo")


def provenance_here(device: torch.device) -> Provenance:
    """This process, on that device."""
    return Provenance(
        worker=f"{socket.gethostname()}:{os.getpid()}",
        device=str(device),
        threads=torch.get_num_threads(),
        torch_version=torch.__version__,
        cpu=f"{_processor()[:100]} ({torch.backends.cpu.get_cpu_capability()})",
    )


def _processor() -> str:
    """The processor's name as the system tells it."""
    try:
        lines = _CPU_INFO.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def differences(there: Provenance, here: Provenance) -> list[str]:
    """What differs between two places and may change the numbers, one line each."""
    pairs = {
        "torch version": (there.torch_version, here.torch_version),
        "device": (there.device, here.device),
        "threads": (there.threads, here.threads),
        "processor": (there.cpu or "unknown", here.cpu or "unknown"),
    }
    return [f"{name}: {then} then, {now} here" for name, (then, now) in pairs.items() if then != now]
