"""A small registry over HTTP that speaks Confluent's documented protocol, and fails as it is told.

The real one runs in the lane of slow tests; this one does what no real one does on demand.
Source: "Schema Registry API Reference" of Confluent Platform 7 and 8.
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
import ssl
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

TYPE = "application/vnd.schemaregistry.v1+json"


class RegistryServer:
    """The registry's content, and what it does wrong.

    Attributes:
        schemas: By id: what `GET /schemas/ids/ID` answers.
        subjects: By subject: the ids of its versions.
        failures: Answers that come before the right one: an HTTP status and a body each.
        user_info: `user:password` that it demands.
        released: Unset while answers shall wait.
        requests: What was asked, in order.
    """

    def __init__(self) -> None:
        self.schemas: dict[int, dict[str, Any]] = {}
        self.subjects: dict[str, list[int]] = {}
        self.failures: list[tuple[int, bytes]] = []
        self.user_info: str | None = None
        self.released = threading.Event()
        self.released.set()
        self.requests: list[str] = []
        self.url = ""

    def add(self, subject: str, schema: Any, **more: Any) -> int:
        """Register a schema without asking, and return its id."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        return self._register(subject, {"schema": text, **more})["id"]

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Return the status and the body of an answer."""
        parts = [unquote(part) for part in path.strip("/").split("/")]
        return self._of_schemas(parts) if parts[0] == "schemas" else self._of_subjects(method, parts, body)

    def _of_subjects(self, method: str, parts: list[str], body: dict[str, Any]) -> tuple[int, Any]:
        answer: tuple[int, Any] = 404, {"error_code": 40401, "message": "Subject not found"}
        match method, parts:
            case "GET", ["subjects"]:
                answer = 200, sorted(self.subjects)
            case "POST", ["subjects", subject, "versions"]:
                answer = 200, self._register(subject, body)
            case _, [_, subject] | [_, subject, *_] if subject not in self.subjects and subject != "subjects":
                pass
            case "GET", ["subjects", subject, "versions"]:
                answer = 200, list(range(1, len(self.subjects[subject]) + 1))
            case "GET", ["subjects", subject, "versions", version]:
                answer = self._version(subject, version)
            case "POST", ["subjects", subject]:
                answer = self._looked_up(subject, body)
            case "POST", ["compatibility", "subjects", subject, "versions", "latest"] if (
                subject in self.subjects
            ):
                answer = 200, {"is_compatible": "incompatible" not in body["schema"]}
        return answer

    def _of_schemas(self, parts: list[str]) -> tuple[int, Any]:
        found = None
        match parts:
            case ["schemas", "ids", number]:
                found = self.schemas.get(int(number))
            case ["schemas", "guids", guid]:
                found = next((s for s in self.schemas.values() if s["guid"] == guid), None)
        return (200, found) if found else (404, {"error_code": 40403, "message": "Schema not found"})

    def _register(self, subject: str, body: dict[str, Any]) -> dict[str, Any]:
        said = {key: body[key] for key in ("schema", "schemaType", "references") if body.get(key)}
        known = [number for number, s in self.schemas.items() if {**s, "guid": 0} == {**said, "guid": 0}]
        number = known[0] if known else len(self.schemas) + 1
        self.schemas[number] = said | {"guid": str(uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(said)))}
        versions = self.subjects.setdefault(subject, [])
        if number not in versions:
            versions.append(number)
        return {"id": number}

    def _version(self, subject: str, version: str) -> tuple[int, Any]:
        versions = self.subjects[subject]
        position = len(versions) if version == "latest" else int(version)
        if not 0 < position <= len(versions):
            return 404, {"error_code": 40402, "message": "Version not found"}
        number = versions[position - 1]
        return 200, {"subject": subject, "version": position, "id": number, **self.schemas[number]}

    def _looked_up(self, subject: str, body: dict[str, Any]) -> tuple[int, Any]:
        for position, number in enumerate(self.subjects[subject], start=1):
            if self.schemas[number]["schema"] == body["schema"]:
                return 200, {"subject": subject, "version": position, "id": number, **self.schemas[number]}
        return 404, {"error_code": 40403, "message": "Schema not found"}

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        path = urlsplit(handler.path).path
        self.requests.append(f"{handler.command} {path}")
        length = int(handler.headers.get("Content-Length") or 0)
        body = json.loads(handler.rfile.read(length)) if length else {}
        assert self.released.wait(60), "the test never let the answers go"
        if self.failures:
            status, content = self.failures.pop(0)
        elif self.user_info and handler.headers.get("Authorization") != _basic(self.user_info):
            status, content = 401, b'{"error_code": 401, "message": "Unauthorized"}'
        else:
            status, said = self.answer(handler.command, path, body)
            content = json.dumps(said).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", TYPE)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


@contextmanager
def running_registry(certificate: Path | None = None) -> Iterator[RegistryServer]:
    """Serve a registry on a free port, over TLS where a certificate with its key is given."""
    registry = RegistryServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.serve(self)

        def do_POST(self) -> None:
            registry.serve(self)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    registry.url = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield registry
    finally:
        registry.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def write_certificate(folder: Path) -> Path:
    """Write a certificate of 127.0.0.1, signed by itself, with its key, and return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "registry.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(built.public_bytes(serialization.Encoding.PEM) + private)
    return path


def _basic(user_info: str) -> str:
    return "Basic " + base64.b64encode(user_info.encode()).decode()
