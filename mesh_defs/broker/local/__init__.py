"""A local Apache Kafka, one node, from package registries alone."""

from mesh_defs.broker.local.kafka import LocalKafka, LocalKafkaStatus

__all__ = ["LocalKafka", "LocalKafkaStatus"]
