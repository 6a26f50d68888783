"""What answers over a wire: brokers, schema registries, Dagster's daemon."""

from __future__ import annotations

import time
from typing import Final
from urllib.parse import urlsplit

from mesh_defs.broker import Broker, LocalKafka, connection_for
from mesh_defs.broker.registry import registry_for
from mesh_defs.doctor.verdict import Verdict, failed, ok, warning
from mesh_defs.model.config import MAIN, MeshConfig
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


def registry(name: str, config: MeshConfig) -> Verdict:
    """Ask a schema registry for its subjects; a folder of schemas is checked wholly.

    Raises:
        RegistryError: It does not answer, or refuses.
        ConfigError: Its options cannot be used.
    """
    part = f"registry {name}"
    with registry_for(config, name, patient=False) as opened:
        subjects = len(opened.subjects())
        problems = opened.problems()
    if problems:
        return failed(part, problems[0], "`mesh registry check` shows all that is wrong in it")
    return ok(part, f"{subjects} subjects in {opened.place}")


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
