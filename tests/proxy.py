"""A network between a client and a server that can go silent: packets vanish, and nobody closes anything."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType


class Proxy:
    """Forwards connections to 127.0.0.1; while silent it forwards nothing, and what it had then is silent for ever."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._silence = 0
        self._is_silent = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for one in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def go_silent(self) -> None:
        """Swallow everything from now on."""
        self._is_silent = True
        self._silence += 1

    def speak_again(self) -> None:
        """Forward new connections again."""
        self._is_silent = False

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                if self._is_silent:
                    continue
                server = socket.create_connection(("127.0.0.1", self._server_port))
                self._sockets.append(server)
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._forward, args=(source, target, self._silence), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, silence: int) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(65536):
                if self._silence == silence:
                    target.sendall(content)
            if self._silence == silence:
                target.shutdown(socket.SHUT_WR)
