"""A real Kafka of three nodes, each a broker and a controller, whose nodes a test may kill."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from mesh_defs.broker import free_port
from mesh_defs.broker.local.artifacts import ensure_jars, java
from mesh_defs.broker.local.settings import java_command, server_properties, write_properties
from tests.conftest import BOUND, wait_for

NODES = (1, 2, 3)

CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qg"

_REPLICATED = {
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "controlled.shutdown.enable": "true",
}


class KafkaCluster:
    """Three nodes on the loopback address. The quorum lives while two of them do.

    Args:
        folder: Where their data lives.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = {node: (free_port(), free_port()) for node in NODES}
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        jars = ensure_jars()
        formatting = [
            subprocess.Popen(
                self._command(
                    node, jars, "kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config"
                )
            )
            for node in NODES
        ]
        assert [process.wait(BOUND * 2) for process in formatting] == [0] * len(NODES)
        self.start(*NODES)

    @property
    def bootstrap(self) -> str:
        """The addresses of all nodes."""
        return ",".join(f"127.0.0.1:{client}" for client, _ in self._ports.values())

    def start(self, *nodes: int) -> None:
        """Start nodes, and wait until they answer."""
        for node in nodes:
            self._processes[node] = subprocess.Popen(self._command(node, ensure_jars(), "kafka.Kafka"))
        wait_for(lambda: self.alive() >= set(nodes), f"the nodes {nodes} are there")

    def kill(self, *nodes: int) -> None:
        """End nodes with SIGKILL. What the cluster then does, it does while two of the three live."""
        for node in nodes:
            self._processes[node].kill()
            self._processes.pop(node).wait(BOUND)

    def stop(self) -> None:
        """End all nodes."""
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait(BOUND)
        self._processes.clear()

    def alive(self) -> set[int]:
        """Return the nodes that the cluster counts as brokers; none while it does not answer."""
        with self.admin() as admin:
            try:
                return set(admin.list_topics(timeout=2).brokers)
            except KafkaException:
                return set()

    def leader(self, topic: str, partition: int = 0) -> int:
        """Return who leads a partition of the topic, -1 where nobody does."""
        with self.admin() as admin:
            return int(admin.list_topics(topic, timeout=BOUND).topics[topic].partitions[partition].leader)

    def in_sync(self, topic: str) -> list[int]:
        """Return the replicas of the topic's partition that are in sync."""
        with self.admin() as admin:
            return sorted(admin.list_topics(topic, timeout=BOUND).topics[topic].partitions[0].isrs)

    def topic(self, *replicas: int, **config: str) -> str:
        """Create a topic of one partition on these nodes, the first of which leads."""
        topic = f"t-{uuid.uuid4().hex[:12]}"
        dotted = {name.replace("_", "."): value for name, value in config.items()}
        wanted = NewTopic(topic, num_partitions=1, replica_assignment=[list(replicas)], config=dotted)
        with self.admin() as admin:
            admin.create_topics([wanted])[topic].result(BOUND)
        wait_for(lambda: self.in_sync(topic) == sorted(replicas), f"{topic} is in sync")
        return topic

    def spread(self, *nodes: int) -> str:
        """Create a topic with a partition on each of these nodes, without a second replica."""
        topic = f"t-{uuid.uuid4().hex[:12]}"
        wanted = NewTopic(topic, num_partitions=len(nodes), replica_assignment=[[node] for node in nodes])
        with self.admin() as admin:
            admin.create_topics([wanted])[topic].result(BOUND)
        for partition, node in enumerate(nodes):
            wait_for(lambda p=partition, n=node: self.leader(topic, p) == n, f"{topic} has its leaders")
        return topic

    def produce(self, topic: str, values: list[bytes], partition: int = 0) -> None:
        """Produce records, acknowledged by all replicas that are in sync."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "acks": "all", "log_level": 0})
        failed: list[Any] = []
        for value in values:
            producer.produce(
                topic, value, partition=partition, on_delivery=lambda e, _: failed.append(e) if e else None
            )
        assert (producer.flush(BOUND), failed) == (0, [])

    def admin(self) -> AdminClient:
        """Return a plain AdminClient."""
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def _command(self, node: int, jars: tuple[Path, ...], main: str, *arguments: str) -> list[str]:
        folder = self._folder / str(node)
        folder.mkdir(parents=True, exist_ok=True)
        client, controller = self._ports[node]
        voters = ",".join(f"{n}@127.0.0.1:{port}" for n, (_, port) in self._ports.items())
        properties = server_properties(
            data=folder / "data", port=client, controller_port=controller, extra={}
        )
        own = {"node.id": str(node), "controller.quorum.voters": voters, **_REPLICATED}
        write_properties(folder / "server.properties", properties | own)
        log = folder / "kafka.log"
        return java_command(
            java(), jars, log=log, main=main, arguments=[*arguments, str(folder / "server.properties")]
        )
