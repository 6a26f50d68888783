"""What corrects the account of offsets that were committed before: each is a ledger entry of its own."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionReversal:
    """One ledger entry: dead letters of an earlier entry are rows now, at their own offsets.

    It stands over the same offsets as the entry that it corrects, with as many rows more as dead letters less, so that
    the two together say what is stored. The content hash stays: the records are the same.

    Attributes:
        from_offset: Of the entry that it corrects.
        to_offset: Likewise.
        offsets: Of the dead letters that are taken back, ascending.
    """

    stream: str
    epoch: int
    partition: int
    from_offset: int
    to_offset: int
    offsets: tuple[int, ...]
    contract_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionExpiry:
    """One ledger entry: the rows of a partition's oldest offsets are taken away; its dead letters stay.

    Attributes:
        from_offset: Of the first ledger entry whose rows go.
        to_offset: Of the last one; no row below it is left.
        tables: That hold the stream's rows.
        removed_count: How many rows go.
    """

    stream: str
    epoch: int
    partition: int
    from_offset: int
    to_offset: int
    tables: tuple[str, ...]
    removed_count: int
    contract_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochAcceptance:
    """A person accepted that a topic or its log is another one, which ended an epoch and began the next."""

    at: dt.datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LostRange:
    """Offsets of one partition that retention removed from the topic before they were read."""

    epoch: int
    partition: int
    from_offset: int
    to_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LossAcknowledgement:
    """A person took note that offsets of a stream are lost, and said why that is so or may be.

    Attributes:
        by: Who.
        ranges: All that they acknowledge.
    """

    stream: str
    by: str
    reason: str
    ranges: tuple[LostRange, ...]
