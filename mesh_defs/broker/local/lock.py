"""The committed lock of the local Kafka: its jars, their sizes and SHA-256 sums.

``python -m mesh_defs.broker.local.lock`` resolves the pinned version anew and writes the file. It is run by a
person who changes the pin, never by the mesh: a start only reads the lock.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

KAFKA_VERSION: Final = "4.3.1"

_LOCK_FILE: Final = Path(__file__).with_name(f"kafka-{KAFKA_VERSION}.lock")

# Resolved apart from each other: in one go jgo mediates kafka-clients down to 3.9.1.
_ROOTS: Final = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4",
)
_HEADER: Final = f"""\
# Apache Kafka {KAFKA_VERSION} with log4j, as resolved from {" and ".join(_ROOTS)}.
# Written by `python -m mesh_defs.broker.local.lock`: coordinate, bytes, SHA-256, in class path order.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedJar:
    """One jar of the lock.

    Attributes:
        coordinate: ``group:artifact:version``.
        size: In bytes.
        sha256: In hexadecimal.
    """

    coordinate: str
    size: int
    sha256: str

    @property
    def file_name(self) -> str:
        """The jar's name in a Maven repository, which is unique within the lock."""
        _group, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def read_lock(path: Path = _LOCK_FILE) -> tuple[LockedJar, ...]:
    """Return the locked jars in class path order."""
    lines = path.read_text(encoding="ascii").splitlines()
    entries = (line.split() for line in lines if line and not line.startswith("#"))
    return tuple(
        LockedJar(coordinate=coordinate, size=int(size), sha256=sha256)
        for coordinate, size, sha256 in entries
    )


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resolve_lock(folder: Path) -> tuple[LockedJar, ...]:
    """Resolve the pinned version, download its jars below ``folder`` and return what they are.

    Raises:
        AssertionError: The resolution did not give the pinned version throughout.
    """
    from jgo.maven import MavenContext  # noqa: PLC0415 - an optional extra

    context = MavenContext(repo_cache=folder, timeout=60)
    found: dict[str, Any] = {}
    for root in _ROOTS:
        inputs, transitive = context.resolver.resolve([context.create_dependency(root)])
        for dependency in [*inputs, *transitive]:
            artifact = dependency.artifact
            found.setdefault(f"{artifact.groupId}:{artifact.artifactId}", artifact)
    return tuple(_locked(artifact) for artifact in found.values())


def _locked(artifact: Any) -> LockedJar:
    if artifact.groupId == "org.apache.kafka" and artifact.version != KAFKA_VERSION:
        message = f"{artifact} is not of Kafka {KAFKA_VERSION}"
        raise AssertionError(message)
    path: Path = artifact.resolve()
    return LockedJar(
        coordinate=f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}",
        size=path.stat().st_size,
        sha256=sha256_of(path),
    )


def write_lock(jars: tuple[LockedJar, ...], path: Path = _LOCK_FILE) -> None:
    """Write the lock, one line a jar."""
    lines = [f"{jar.coordinate} {jar.size} {jar.sha256}\n" for jar in jars]
    path.write_text(_HEADER + "".join(lines), encoding="ascii")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        write_lock(resolve_lock(Path(scratch)))
