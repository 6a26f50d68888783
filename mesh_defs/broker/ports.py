"""TCP ports of this machine: which are free, and who holds the others."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from typing import Final

import psutil

LOOPBACK: Final = "127.0.0.1"

# Below the range that Linux (32768) and macOS (49152) take for outgoing connections: nothing slips into a
# port between the look and the bind, unless another server wants the very same one.
_FIRST: Final = 20_000
_LAST: Final = 32_000
_TRIES: Final = 1_000


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on.

    Raises:
        OSError: Every port that was tried is taken.
    """
    for _ in range(_TRIES):
        port = random.randint(_FIRST, _LAST)  # noqa: S311 - no secret, only spread
        if is_free(port):
            return port
    message = f"no free port between {_FIRST} and {_LAST}"
    raise OSError(message)


def is_free(port: int) -> bool:
    """Return whether a server could listen on the port of the loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return not is_answered(port)


def is_answered(port: int) -> bool:
    """Return whether somebody accepts connections on the port of the loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def who_holds(port: int) -> str | None:
    """Return who listens on a port, as ``"java (process 4711)"``, or None where nobody does.

    A process of another user cannot always be named without root; then the answer is
    ``"a process of another user"``.
    """
    for pid in _listeners(port):
        try:
            return f"{psutil.Process(pid).name()} (process {pid})"
        except psutil.Error:
            continue
    return None if is_free(port) else "a process of another user"


def _listeners(port: int) -> Iterator[int]:
    """Yield the processes that listen on a port, as far as this user may see them."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:  # macOS shows the whole table to root only
        yield from _own_listeners(port)
        return
    for connection in connections:
        if _listens(connection.status, connection.laddr, port) and connection.pid:
            yield connection.pid


def _own_listeners(port: int) -> Iterator[int]:
    for process in psutil.process_iter():
        try:
            connections = process.net_connections(kind="tcp")
        except psutil.Error:
            continue
        if any(_listens(c.status, c.laddr, port) for c in connections):
            yield process.pid


def _listens(status: str, address: tuple[object, ...], port: int) -> bool:
    return status == psutil.CONN_LISTEN and address[1:2] == (port,)
