"""From a stream's contract to its decoder, with tables that fit."""

from __future__ import annotations

from mesh_defs.broker.registry import Registries
from mesh_defs.contract.arrow import table_schema
from mesh_defs.contract.contract import StreamContract
from mesh_defs.decode import StreamDecoder, decoder_for
from mesh_defs.ingest.plan import check_ownership
from mesh_defs.store import DomainStore, StoreOffsets


def ready_decoder(
    store: DomainStore, stored: StoreOffsets, contract: StreamContract, registries: Registries
) -> StreamDecoder:
    """Return a stream's decoder, once its tables fit the contract.

    Raises:
        ContractError: The tables hold another stream's rows, or the contract cannot be decoded.
        ConfigError: There is no registry, where the framing needs one.
        SchemaConflictError: A table cannot be brought to the contract.
        StoreError: The store refused.
    """
    check_ownership(contract, stored)
    for table in contract.tables:
        store.ensure_table(table.name, table_schema(table))
    return decoder_for(contract, registries.of(contract))
