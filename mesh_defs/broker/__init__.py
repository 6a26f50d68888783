"""Everything that speaks Kafka: identity, watermarks, bounded reads, topics, the local broker."""
