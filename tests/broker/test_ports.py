"""Free ports, and who holds the others."""

from __future__ import annotations

import os
import socket

from mesh_defs.broker import free_port, who_holds


def test_a_free_port_is_held_by_nobody() -> None:
    """What is handed out can be listened on."""
    port = free_port()
    assert who_holds(port) is None
    with socket.create_server(("127.0.0.1", port)):
        assert who_holds(port) is not None


def test_the_holder_is_named_wherever_it_listens() -> None:
    """A server on the port is named with its process, on the loopback address or on all."""
    for address in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - that is the question
        with socket.create_server((address, 0)) as server:
            holder = who_holds(server.getsockname()[1])
        assert holder is not None
        assert f"(process {os.getpid()})" in holder
