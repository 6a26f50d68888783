"""What answers over a wire: brokers, schema registries, Dagster's daemon."""

from __future__ import annotations

import http.client
import time
from typing import Final
from urllib.parse import urlsplit

from mesh_defs.broker import Broker, LocalKafka, connection_for
from mesh_defs.doctor.verdict import Verdict, failed, ok, warning
from mesh_defs.model.config import MAIN, MeshConfig, RegistryConfig
from mesh_defs.supervisor.graphql import daemon_beats, web_server_answers
from mesh_defs.supervisor.state import RunState

_SECONDS: Final = 5.0
# Dagster's daemon tells every 30 s that it lives; three of them are a long time.
_HEARTBEAT_SECONDS: Final = 90.0


def broker(config: MeshConfig, server: str, host: str | None) -> Verdict:
    """Ask a cluster for its id.

    Raises:
        BrokerError: It does not answer, or refuses.
        ConfigError: It is described nowhere.
    """
    part = f"broker {server}"
    if server == MAIN and config.has_local_kafka and not LocalKafka.of_mesh(config.data).status().running:
        return warning(part, "the local Kafka is not running", "`mesh up` or `mesh broker start` starts it")
    connection = connection_for(config, server, host=host)
    address = connection.get("bootstrap.servers") or connection.get("metadata.broker.list", "")
    with Broker(connection, timeout=_SECONDS) as opened:
        return ok(part, f"the cluster {opened.cluster_id()} answers at {address}")


def registry(name: str, config: RegistryConfig) -> Verdict:
    """Ask a schema registry whether it is there; a folder of schemas must be one."""
    part = f"registry {name}"
    if config.directory is not None:
        if config.directory.is_dir():
            return ok(part, f"the folder {config.directory}")
        return failed(part, f"{config.directory} is no folder", f"mend [registry.{name}] in mesh.toml")
    url = urlsplit(config.url or "")
    place = url.hostname or ""
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(place, url.port, timeout=_SECONDS)
        connection.request("GET", f"{url.path.rstrip('/')}/subjects")
        status = connection.getresponse().status
        connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        return failed(
            part, f"{place} does not answer ({type(error).__name__})", f"mend [registry.{name}] in mesh.toml"
        )
    return ok(part, f"{place} answers (HTTP {status})")


def daemon(run: RunState | None) -> Verdict:
    """Ask Dagster's web server when its daemon was last heard."""
    if run is None:
        return ok("daemon", "not used: the mesh is not up")
    place = next((part.place for part in run.parts if part.name == "webserver"), "")
    if not place:
        return warning("daemon", "the mesh is being started", "ask again in a minute")
    port = urlsplit(place).port or 0
    look = "`mesh logs daemon webserver` shows what they say"
    if not web_server_answers(port):
        return failed("daemon", f"the web server at {place} does not answer", look)
    if not daemon_beats(port, time.time() - _HEARTBEAT_SECONDS):
        return failed("daemon", f"not heard for {_HEARTBEAT_SECONDS:.0f} s", look)
    return ok("daemon", f"heard within {_HEARTBEAT_SECONDS:.0f} s")
