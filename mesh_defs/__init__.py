"""An event-driven data mesh: Kafka streams under contracts, landed exactly once, orchestrated by Dagster."""
