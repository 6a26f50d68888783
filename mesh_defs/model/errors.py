"""The exception tree of the mesh.

    MeshError
    ├── ConfigError              mesh.toml, domain.yaml or the environment says something impossible
    ├── ContractError            one or more contracts cannot be read; carries every finding
    ├── BrokerError
    │   ├── BrokerUnavailableError   the cluster does not answer in time
    │   ├── BrokerAccessError        the cluster refuses the credentials, or the right is missing
    │   ├── TopicMissingError        the topic is not on the cluster
    │   ├── TopicConflictError       the topic exists, but not as its contract declares it
    │   ├── IdentityChangedError     the topic or the cluster was recreated
    │   ├── OffsetsDivergedError     another leader has other records at offsets that were read
    │   └── PartitionError           one partition cannot be read on; the others can
    │       ├── OffsetsLostError         retention passed the next offset
    │       ├── OffsetsRegressedError    the broker's end lies before the next offset
    │       └── ShortReadError           a bounded read ended before its end
    ├── RegistryError
    │   ├── RegistryUnavailableError the schema registry does not answer in time, or refuses to
    │   ├── UnknownSchemaError       the registry knows no schema of that id
    │   └── SchemaChangedError       an id means another schema than it did before
    ├── SourceError
    │   ├── SourceMissingError       a file of data at rest, or every file of a pattern, is not there
    │   ├── SourceUnreadableError    a file cannot be opened, or is not of its format
    │   └── SourceChangedError       a file changed while it was read, or after `append` took it in
    ├── StoreError
    │   ├── FencedError              another writer moved the partitions of this commit
    │   ├── StoreLockedError         another process holds the writer's lane
    │   ├── LayoutError              the store was laid out by another version
    │   └── SchemaConflictError      a table cannot take the contract's columns
    ├── RecordRefusedError           a record broke the contract and the policy says stop
    ├── TooManyDeadLettersError      more dead letters than `maxDeadLetterRatio` allows
    ├── StreamStoppedError           the resident ingester could not bring a stream to its end
    ├── ProductError                 a product's query cannot be read or run
    ├── QueryError                   a person's SQL cannot be run
    ├── ProcessError                 a part that `mesh up` watches cannot start or died
    └── VerificationError            an invariant does not hold

Every message says what cannot be done, why, and what to do about it. No message holds a record's payload.
"""

from __future__ import annotations

from mesh_defs.model.findings import Finding


class MeshError(Exception):
    """An error that a person can act upon.

    Args:
        cannot: What cannot be done, beginning with the verb: ``"ingest operations.flight_events"``.
        why: The reason, one clause.
        do: What to do about it, one imperative clause.
    """

    def __init__(self, *, cannot: str, why: str, do: str) -> None:
        super().__init__(cannot, why, do)
        self.cannot = cannot
        self.why = why
        self.do = do

    def __str__(self) -> str:
        return f"cannot {self.cannot}: {self.why}; {self.do}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.cannot, self.why, self.do))


def _rebuild(cls: type[MeshError], cannot: str, why: str, do: str) -> MeshError:
    error = cls.__new__(cls)
    MeshError.__init__(error, cannot=cannot, why=why, do=do)
    return error


def of_the_system(error: OSError, *, cannot: str) -> MeshError:
    """Return what to tell of an error of the system that nobody foresaw: a file's rights, a full disk."""
    where = f" at {error.filename}" if error.filename is not None else ""
    return MeshError(
        cannot=cannot,
        why=f"the system says {(error.strerror or type(error).__name__).lower()}{where}",
        do="look at owner, rights and room of that place; `mesh --verbose ...` shows what it was needed for"
        if where
        else "look at rights and room; `mesh --verbose ...` shows what was being done",
    )


class ConfigError(MeshError):
    """The configuration says something impossible, or lacks something needed."""


class ContractError(MeshError):
    """One or more contracts cannot be read.

    Args:
        findings: All that is wrong with them, warnings included, in the order of files and lines.
    """

    def __init__(self, *, cannot: str, why: str, do: str, findings: tuple[Finding, ...] = ()) -> None:
        super().__init__(cannot=cannot, why=why, do=do)
        self.findings = findings

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  {finding}" for finding in self.findings)])

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_contract_error, (self.cannot, self.why, self.do, self.findings))


def _rebuild_contract_error(cannot: str, why: str, do: str, findings: tuple[Finding, ...]) -> ContractError:
    return ContractError(cannot=cannot, why=why, do=do, findings=findings)


class BrokerError(MeshError):
    """The broker refused, or said something that cannot be accepted."""


class BrokerUnavailableError(BrokerError):
    """The cluster does not answer in time."""


class BrokerAccessError(BrokerError):
    """The cluster refuses the connection's credentials, or the right for what was asked is missing."""


class TopicMissingError(BrokerError):
    """The topic is not on the cluster."""


class TopicConflictError(BrokerError):
    """The topic exists, but not as its contract declares it."""


class IdentityChangedError(BrokerError):
    """The topic or the cluster was recreated since the store last read it."""


class PartitionError(BrokerError):
    """One partition of a topic cannot be read on; the others can.

    Attributes:
        partition: Which one; None where no reader met it.
    """

    partition: int | None = None


class OffsetsLostError(PartitionError):
    """Retention passed the next offset: records that were never read are gone."""


class OffsetsRegressedError(PartitionError):
    """The broker's end lies before the next offset, although the topic is the same."""


class OffsetsDivergedError(BrokerError):
    """Another leader has other records at offsets that were read: an unclean election."""


class ShortReadError(PartitionError):
    """A bounded read ended before its end."""


class RegistryError(MeshError):
    """The schema registry refused, or said something that cannot be accepted."""


class RegistryUnavailableError(RegistryError):
    """The schema registry does not answer in time, or refuses to: what is missing may be had later."""


class UnknownSchemaError(RegistryError):
    """The registry answers that it knows no schema of that id, also after its retries."""


class SchemaChangedError(RegistryError):
    """An id of the registry means another schema than it did before: ids are for ever."""


class SourceError(MeshError):
    """A file of data at rest cannot be taken in; the table stays as it was."""


class SourceMissingError(SourceError):
    """A file of data at rest, or every file of a pattern, is not there."""


class SourceUnreadableError(SourceError):
    """A file of data at rest cannot be opened, or is not of its format."""


class SourceChangedError(SourceError):
    """A file of data at rest changed while it was read, or after `append` took it in."""


class StoreError(MeshError):
    """The domain's store refused."""


class FencedError(StoreError):
    """Another writer moved the partitions of this commit; nothing of it was stored."""


class StoreLockedError(StoreError):
    """Another process holds the writer's lane for too long."""


class LayoutError(StoreError):
    """The store was laid out by another version of the mesh."""


class SchemaConflictError(StoreError):
    """A table cannot take the columns of its contract without breaking its readers."""


class RecordRefusedError(MeshError):
    """A record broke the contract, and the contract's policy says stop."""


class TooManyDeadLettersError(MeshError):
    """More dead letters than the contract's `maxDeadLetterRatio` allows."""


class StreamStoppedError(MeshError):
    """The resident ingester could not bring a stream to its end."""


class ProductError(MeshError):
    """A product's query cannot be read or run."""


class QueryError(MeshError):
    """A person's SQL cannot be run."""


class ProcessError(MeshError):
    """A part that `mesh up` watches cannot start, or died."""


class VerificationError(MeshError):
    """An invariant of the ledger does not hold."""
