"""The local Kafka as a part of `mesh up`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from mesh_defs.broker.local import LocalKafka
from mesh_defs.model.errors import ProcessError
from mesh_defs.supervisor.family import KAFKA, RUN_VARIABLE
from mesh_defs.supervisor.part import PATIENCE_SECONDS, Running
from mesh_defs.supervisor.state import Birth


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningKafka:
    """A Kafka that answers.

    Attributes:
        birth: Java's process.
        owned: False where `mesh broker start` started it: then it stays when `mesh up` ends.
    """

    birth: Birth
    owned: bool

    def wait(self) -> int | None:
        """Block until Java ended. Its code is not known: it may be another program's child."""
        try:
            psutil.Process(self.birth.pid).wait()
        except psutil.NoSuchProcess:
            return None
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaPart:
    """Starts the local Kafka, or takes the one that runs already.

    Attributes:
        kafka: The mesh's local Kafka.
    """

    kafka: LocalKafka
    name: str = KAFKA
    restarts: bool = True
    patience: float = PATIENCE_SECONDS

    @property
    def log(self) -> Path:
        """Where it writes."""
        return self.kafka.status().log_file

    def address(self) -> str:
        """Return where clients connect."""
        return self.kafka.status().address or ""

    def is_well(self, running: Running) -> bool:  # noqa: ARG002 - `start` waited for its answer
        """Return that it answers."""
        return True

    def start(self, environment: Mapping[str, str]) -> RunningKafka:
        """Start it and wait until it answers a client.

        Raises:
            BrokerError: Java or its jars cannot be had.
            ProcessError: It does not start.
        """
        # Java inherits this process's own environment: should `mesh up` be killed before it wrote Java's process
        # id down, the run's id tells whose it is.
        os.environ[RUN_VARIABLE] = environment[RUN_VARIABLE]
        adopted = self.kafka.status().running
        status = self.kafka.start(adopt=True)
        if status.pid is None:
            raise ProcessError(
                cannot="start kafka", why="it ended at once", do=f"read the end of {status.log_file}"
            )
        return RunningKafka(birth=Birth.of(KAFKA, status.pid), owned=not adopted)
