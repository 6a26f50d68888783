"""The resident ingester: a domain's streams, ingested continuously by one long-lived process."""

from mesh_defs.ingest.resident.lifetime import Signature, signature
from mesh_defs.ingest.resident.loader import Loader
from mesh_defs.ingest.resident.loop import MEMORY_LIMIT_BYTES, Ending, Resident
from mesh_defs.ingest.resident.maintainer import MAINTAIN_SECONDS, Maintainer
from mesh_defs.ingest.resident.reporting import Reporter
from mesh_defs.ingest.resident.stop import ProcessStop, Stop

__all__ = [
    "MAINTAIN_SECONDS",
    "MEMORY_LIMIT_BYTES",
    "Ending",
    "Loader",
    "Maintainer",
    "ProcessStop",
    "Reporter",
    "Resident",
    "Signature",
    "Stop",
    "signature",
]
