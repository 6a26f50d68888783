"""Formats the data folder of a local Kafka, the first time."""

from __future__ import annotations

import base64
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mesh_defs.broker.local.artifacts import java
from mesh_defs.broker.local.folder import KafkaFolder
from mesh_defs.broker.local.process import output_file, start_error
from mesh_defs.broker.local.settings import java_command, server_properties, write_properties

_FORMAT_SECONDS: Final = 120.0
# Nothing listens while formatting, but the tool checks the ports: they must differ.
_ANY_PORT: Final = 1
_ANOTHER_PORT: Final = 2


def format_data(folder: KafkaFolder, jars: Sequence[Path], log_file: Path) -> str:
    """Format the data beside its place and move it there, so that a killed formatter leaves nothing.

    Returns:
        The cluster id, a new one.

    Raises:
        ProcessError: Kafka's storage tool refused.
    """
    scratch = folder.path / "formatting"
    shutil.rmtree(scratch, ignore_errors=True)
    cluster_id = _new_cluster_id()
    write_properties(
        folder.properties,
        server_properties(data=scratch, port=_ANY_PORT, controller_port=_ANOTHER_PORT, extra={}),
    )
    command = java_command(
        java(),
        jars,
        log=log_file,
        main="kafka.tools.StorageTool",
        arguments=["format", "--cluster-id", cluster_id, "--config", str(folder.properties)],
    )
    with output_file(log_file).open("wb") as output:
        done = subprocess.run(command, stdout=output, stderr=output, timeout=_FORMAT_SECONDS, check=False)
    if done.returncode != 0:
        raise start_error(f"its data cannot be formatted (code {done.returncode})", log_file)
    scratch.replace(folder.data)
    return cluster_id


def _new_cluster_id() -> str:
    """Return a cluster id, drawn as Kafka's `Uuid.randomUuid` draws one: never with a dash in front.

    Kafka's storage tool takes an id such as `-aB...` for one of its options.
    """
    while True:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")
        if not cluster_id.startswith("-"):
            return cluster_id
