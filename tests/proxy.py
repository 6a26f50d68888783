"""A TCP proxy before a broker, which a test cuts or silences."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Final, Self

_LOOPBACK: Final = "127.0.0.1"
_CHUNK: Final = 1 << 14


class Proxy:
    """Hands bytes on between clients and a port of this machine, in threads of its own.

    A broker behind it has to advertise its port, so that clients come back to it.

    Args:
        target: The broker's port.

    Attributes:
        target: The broker's port.
        port: Where it listens.
        cuts: How many connections it has cut.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self._server = socket.create_server((_LOOPBACK, 0))
        self.port: int = self._server.getsockname()[1]
        self.cuts = 0
        self._flows = threading.Event()
        self._flows.set()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._to_cut = 0
        self._after = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self._flows.set()
        self.cut()

    def cut(self) -> None:
        """Close every connection that there is."""
        with self._lock:
            left, self._open = self._open, set()
        for end in left:
            _close(end)

    def cut_next(self, connections: int, after: int) -> None:
        """Cut so many connections, each when the broker has said so many bytes on it since now."""
        with self._lock:
            self._to_cut, self._after = connections, after

    def silence(self) -> None:
        """Keep every connection and hand nothing on: nobody is told that anything is wrong."""
        self._flows.clear()

    def speak(self) -> None:
        """Hand on what was kept back, and what comes."""
        self._flows.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed: the test is over
            while True:
                client, _ = self._server.accept()
                try:
                    broker = socket.create_connection((_LOOPBACK, self.target))
                except OSError:
                    client.close()
                    continue
                with self._lock:
                    self._open |= {client, broker}
                threading.Thread(target=self._pump, args=(client, broker, False), daemon=True).start()
                threading.Thread(target=self._pump, args=(broker, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:  # noqa: FBT001
        said = 0
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                self._flows.wait()
                said += len(data)
                if answers and self._is_to_cut(said):
                    break
                sink.sendall(data)
        for end in (source, sink):
            with self._lock:
                self._open.discard(end)
            _close(end)

    def _is_to_cut(self, said: int) -> bool:
        with self._lock:
            if not self._to_cut or said < self._after:
                return False
            self._to_cut -= 1
            self.cuts += 1
            return True


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
