"""A new epoch: a person accepts that a topic or cluster was recreated, and ingest begins anew on it."""

from __future__ import annotations

import getpass

from mesh_defs.broker import Brokers
from mesh_defs.contract.contract import StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.model.errors import ConfigError
from mesh_defs.model.records import Commit, Committed, PartitionStart, TopicIdentity
from mesh_defs.store import DomainStore, StreamOffsets


def accept_epoch(project: Project, contract: StreamContract, reason: str) -> Committed:
    """Close the stream's epoch and begin the next one at the present topic's low watermarks.

    Rows of earlier epochs stay, and stay queryable; coordinates are unique within an epoch. Who decided and why
    stand beside the snapshot (`ducklake_snapshots`).

    Raises:
        ConfigError: The stream was never read, or its topic is still the same.
        BrokerError: The topic is not there, or the broker does not answer.
        StoreError: The store refuses.
    """
    folder = project.data_folder(contract.domain)
    with DomainStore.open(folder, contract.domain) as store, Brokers(project.config) as brokers:
        broker = brokers.of(contract)
        stored = store.offsets().streams.get(contract.name)
        found = broker.identity(contract.topic)
        if stored is None or stored.identity == found:
            raise _nothing_to_accept(contract, stored, found)
        marks = broker.watermarks(contract.topic, broker.partitions(contract.topic))
        starts = [
            PartitionStart(
                stream=contract.name,
                epoch=stored.epoch + 1,
                partition=partition,
                offset=mark.low,
                identity=found,
            )
            for partition, mark in marks.items()
        ]
        return store.commit(
            Commit(
                writer=getpass.getuser(),
                starts=starts,
                note=f"accept epoch {stored.epoch + 1} of {contract.name}: {reason}",
            )
        )


def _nothing_to_accept(
    contract: StreamContract, stored: StreamOffsets | None, found: TopicIdentity
) -> ConfigError:
    why = "it was never read" if stored is None else f"its topic is still the same ({found.topic_id})"
    return ConfigError(
        cannot=f"accept a new epoch of {contract.full_name}",
        why=why,
        do="run `mesh ingest`; an epoch ends only when the topic or the cluster is recreated",
    )
