"""The domain store: one DuckLake a domain, written only through this package."""

from mesh_defs.store.account import Account, Violation, accounts_of
from mesh_defs.store.damage import DamagedFile, find_damage
from mesh_defs.store.engine import attach_domain, connect_engine, first_row
from mesh_defs.store.keeper import CatalogKeeper
from mesh_defs.store.ledger import LedgerEntry, LedgerSums, read_ledger, read_sums
from mesh_defs.store.loads import LoadedFile, read_loads
from mesh_defs.store.lock import FileLock, Holder, WriterLock
from mesh_defs.store.maintain import MaintenancePolicy, MaintenanceReport, maintain
from mesh_defs.store.marks import MARKS_FILE, PartitionMark, StreamMark, load_marks, save_marks
from mesh_defs.store.offsets import (
    EarlierEpoch,
    PartitionOffsets,
    Refresh,
    StoreOffsets,
    StreamOffsets,
)
from mesh_defs.store.replace_file import replace_file, with_field_ids
from mesh_defs.store.staging import StagedWriter
from mesh_defs.store.steps import MaintenanceStep
from mesh_defs.store.store import DomainStore
from mesh_defs.store.verify import Verified, verify_store, verify_stream

__all__ = [
    "MARKS_FILE",
    "Account",
    "CatalogKeeper",
    "DamagedFile",
    "DomainStore",
    "EarlierEpoch",
    "FileLock",
    "Holder",
    "LedgerEntry",
    "LedgerSums",
    "LoadedFile",
    "MaintenancePolicy",
    "MaintenanceReport",
    "MaintenanceStep",
    "PartitionMark",
    "PartitionOffsets",
    "Refresh",
    "StagedWriter",
    "StoreOffsets",
    "StreamMark",
    "StreamOffsets",
    "Verified",
    "Violation",
    "WriterLock",
    "accounts_of",
    "attach_domain",
    "connect_engine",
    "find_damage",
    "first_row",
    "load_marks",
    "maintain",
    "read_ledger",
    "read_loads",
    "read_sums",
    "replace_file",
    "save_marks",
    "verify_store",
    "verify_stream",
    "with_field_ids",
]
