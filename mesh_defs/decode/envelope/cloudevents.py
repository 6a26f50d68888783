"""CloudEvents 1.0 in Kafka records: binary and structured content mode."""

from __future__ import annotations

from mesh_defs.decode.envelope.opened import NoEnvelope


class CloudEvents(NoEnvelope):
    """The binary mode."""
