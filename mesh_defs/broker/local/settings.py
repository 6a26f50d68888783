"""What the local Kafka is told: server properties and Java's command line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from mesh_defs.broker.ports import LOOPBACK

NODE_ID: Final = 1

_LOG_CONFIGURATION: Final = Path(__file__).with_name("log4j2.xml")

_SERVER: Final[Mapping[str, str]] = {
    "process.roles": "broker,controller",
    "node.id": str(NODE_ID),
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "CLIENT",
    "auto.create.topics.enable": "false",
    "default.replication.factor": "1",
    # The internal topics: one node, and few files to open at a start.
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    # Small: one person's machine.
    "num.network.threads": "1",
    "num.io.threads": "2",
    "background.threads": "2",
    "log.cleaner.threads": "1",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "log.segment.bytes": "67108864",
    "log.index.size.max.bytes": "1048576",
    "queued.max.requests": "64",
    # Nothing is forgotten unless a topic says so. Retention goes by the records' own timestamps, so a default
    # of a week would delete a replayed year as soon as its segment rolls.
    "log.retention.ms": "-1",
    # Without these a restart after `kill -9` loops on DuplicateBrokerRegistrationException for 9 s.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "400",
}

_JAVA_FLAGS: Final = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "--enable-native-access=ALL-UNNAMED",  # compression libraries; without it Java warns at each start
    "--sun-misc-unsafe-memory-access=allow",
)


def server_properties(
    *, data: Path, port: int, controller_port: int, extra: Mapping[str, str]
) -> dict[str, str]:
    """Return the properties of a node that listens on the loopback address only."""
    return {
        **_SERVER,
        "advertised.listeners": f"CLIENT://{LOOPBACK}:{port}",
        **extra,
        "listeners": f"CLIENT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "controller.quorum.voters": f"{NODE_ID}@{LOOPBACK}:{controller_port}",
        "log.dirs": str(data),
    }


def write_properties(path: Path, properties: Mapping[str, str]) -> None:
    """Write a Java properties file, whole or not at all."""
    lines = [f"{key}={_escaped(value)}\n" for key, value in properties.items()]
    scratch = path.with_suffix(".new")
    scratch.write_text("".join(lines), encoding="ascii")
    scratch.replace(path)


def _escaped(value: str) -> str:
    """Escape what Java's properties format reads otherwise: backslashes and all that is not ASCII."""
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    codes = [int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2)]
    return "".join(chr(code) if 32 <= code < 127 else f"\\u{code:04x}" for code in codes)  # noqa: PLR2004


def java_command(
    java: Path, jars: Sequence[Path], *, log: Path, main: str, arguments: Sequence[str]
) -> list[str]:
    """Return the command that runs a main class of Kafka, logging to a file that is bounded in size."""
    return [
        str(java),
        *_JAVA_FLAGS,
        f"-Dlog4j2.configurationFile={_LOG_CONFIGURATION.as_uri()}",
        f"-Dmesh.log={log}",
        "-cp",
        os.pathsep.join(str(jar) for jar in jars),
        main,
        *arguments,
    ]
