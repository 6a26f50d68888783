"""The only importer of confluent_kafka: identity, offsets, bounded reads, topics, the local Kafka."""

from mesh_defs.broker.brokers import Brokers
from mesh_defs.broker.client import Broker
from mesh_defs.broker.connection import connection_for
from mesh_defs.broker.local import LocalKafka, LocalKafkaStatus
from mesh_defs.broker.ports import free_port, who_holds
from mesh_defs.broker.reader import BoundedReader
from mesh_defs.broker.topics import TopicPlan

__all__ = [
    "BoundedReader",
    "Broker",
    "Brokers",
    "LocalKafka",
    "LocalKafkaStatus",
    "TopicPlan",
    "connection_for",
    "free_port",
    "who_holds",
]
