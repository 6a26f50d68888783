"""The domain store: one DuckLake a domain, written only through this package."""

from mesh_defs.store.engine import attach_domain, connect_engine
from mesh_defs.store.lock import FileLock, Holder, WriterLock
from mesh_defs.store.offsets import (
    EarlierEpoch,
    PartitionOffsets,
    Refresh,
    StoreOffsets,
    StreamOffsets,
)
from mesh_defs.store.staging import StagedWriter
from mesh_defs.store.store import DomainStore

__all__ = [
    "DomainStore",
    "EarlierEpoch",
    "FileLock",
    "Holder",
    "PartitionOffsets",
    "Refresh",
    "StagedWriter",
    "StoreOffsets",
    "StreamOffsets",
    "WriterLock",
    "attach_domain",
    "connect_engine",
]
