"""The words among which a contract chooses."""

from __future__ import annotations

from enum import StrEnum


class EventKind(StrEnum):
    """What an event means."""

    STATE = "state"
    DELTA = "delta"
    HYBRID = "hybrid"
    MEASUREMENT = "measurement"
    NOTIFICATION = "notification"


class Envelope(StrEnum):
    """What the record's value is wrapped in."""

    NONE = "none"
    CLOUDEVENTS = "cloudevents"
    DEBEZIUM = "debezium"


class OnError(StrEnum):
    """What a record that breaks its contract does."""

    DEAD_LETTER = "dead_letter"
    FAIL = "fail"


class OnLoss(StrEnum):
    """What a lost range of offsets does."""

    FAIL = "fail"
    RECORD = "record"


class OnUnknownField(StrEnum):
    """What a field that the contract does not name does."""

    KEEP = "keep"
    DEAD_LETTER = "dead_letter"
    FAIL = "fail"


class StartFrom(StrEnum):
    """Where a new stream begins, unless at an instant."""

    EARLIEST = "earliest"
    LATEST = "latest"


class LoadMode(StrEnum):
    """How data at rest is taken in."""

    SNAPSHOT = "snapshot"
    APPEND = "append"


class Incremental(StrEnum):
    """How a product is brought up to date."""

    FULL = "full"
    WINDOW = "window"
    KEY = "key"


class TypeSource(StrEnum):
    """Where a record says which of several event types it is."""

    ENVELOPE = "envelope"
    HEADER = "header"
    FIELD = "field"
    EITHER = "either"
    SCHEMA = "schema"
