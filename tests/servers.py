"""An own database server, for what must not be done to a shared one."""

from __future__ import annotations

import contextlib
import glob
import os
import random
import shutil
import socket
import subprocess
from pathlib import Path


def _lasting_port() -> int:
    """A free port below those that the system gives to clients: one of them would take it while the server is away."""
    for port in random.SystemRandom().sample(range(15_000, 30_000), 100):
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")


class OwnPostgresql:
    """An own PostgreSQL that can be stopped and started."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self._port = _lasting_port()
        self._data = folder / "data"
        self._binaries = binaries
        shutil.chown(folder, "postgres")
        self._run("initdb", "-D", str(self._data), "-A", "trust", "-U", "postgres", "--no-sync")
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        options = f"-p {self._port} -c unix_socket_directories={self._data} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run("pg_ctl", "-D", str(self._data), "-w", "-o", options, "-l", str(self._data / "log"), "start")

    def stop(self) -> None:
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", str(self._data), "-w", "-t", "600", "-m", "immediate", "stop")

    def ask_for_passwords(self, role: str) -> None:
        """Let a role in with its password only; everybody else is trusted as before."""
        rules = self._data / "pg_hba.conf"
        rules.write_text(f"host all {role} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        self._run("pg_ctl", "-D", str(self._data), "reload")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), *arguments]
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/")


def postgresql_binaries() -> Path | None:
    """The folder of the newest PostgreSQL that is installed here."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    return Path(found[-1]).parent if found else None
