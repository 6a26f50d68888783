"""The only importer of confluent_kafka: identity, offsets, bounded reads, topics, the local Kafka."""

from mesh_defs.broker.asking import Knock
from mesh_defs.broker.brokers import Brokers, ConnectionKey, connection_key
from mesh_defs.broker.client import Broker
from mesh_defs.broker.connection import connection_for
from mesh_defs.broker.divergence import Place
from mesh_defs.broker.glance import TopicQuestions
from mesh_defs.broker.local import LocalKafka, LocalKafkaStatus
from mesh_defs.broker.mirroring import MovedOffset
from mesh_defs.broker.ports import free_port, who_holds
from mesh_defs.broker.reader import BoundedReader
from mesh_defs.broker.topics import TopicPlan

__all__ = [
    "BoundedReader",
    "Broker",
    "Brokers",
    "ConnectionKey",
    "Knock",
    "LocalKafka",
    "LocalKafkaStatus",
    "MovedOffset",
    "Place",
    "TopicPlan",
    "TopicQuestions",
    "connection_for",
    "connection_key",
    "free_port",
    "who_holds",
]
