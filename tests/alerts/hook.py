"""A real HTTP server that takes alerts, or refuses them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Hook:
    """A webhook.

    Attributes:
        answers: Statuses of the next answers; afterwards 204.
        taken: The messages that were answered with 2xx, with their idempotency keys.
        refused: How many were not.
    """

    port: int = 0
    answers: list[int] = field(default_factory=list)
    taken: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refused: int = 0

    @property
    def url(self) -> str:
        """Its address, with a secret in it."""
        return f"http://127.0.0.1:{self.port}/hook/s3cret"

    def told(self) -> list[tuple[str, str, str]]:
        """Return phase, kind and subject of what was taken."""
        return [(m["data"]["status"], m["data"]["kind"], m["data"]["subject"]) for _, m in self.taken]


@contextmanager
def listening(*answers: int) -> Iterator[Hook]:
    """Run a webhook in a thread."""
    hook = Hook(answers=list(answers))

    class Handler(BaseHTTPRequestHandler):
        """Notes what is posted."""

        def do_POST(self) -> None:
            """Take or refuse."""
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = hook.answers.pop(0) if hook.answers else 204
            if 200 <= status < 300:
                hook.taken.append((self.headers["Idempotency-Key"], body))
            else:
                hook.refused += 1
            self.send_response(status)
            if status == 302:
                self.send_header("Location", hook.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            """Answer what a followed redirection would ask."""
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
