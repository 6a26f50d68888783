"""What the generated reference says of custom properties, tables and columns, beyond what the code tells itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyWords:
    """A custom property in words.

    Attributes:
        values: What it may be.
        default: What holds where it is not said.
        meaning: A sentence.
        later: Whether what it asks for is not built yet.
    """

    values: str
    default: str
    meaning: str
    later: bool = False


def _words(values: str, default: str, meaning: str, *, later: bool = False) -> PropertyWords:
    return PropertyWords(values=values, default=default, meaning=meaning, later=later)


_DURATION: Final = "an ISO 8601 duration, as `PT26H`"

PROPERTIES: Final[Mapping[str, PropertyWords]] = {
    "eventKind": _words(
        "`state`, `delta`, `hybrid`, `measurement`, `notification`",
        "must be said for a stream",
        "What an event means. A `state` needs a `primaryKey`, a `notification` a `reference`.",
    ),
    "envelope": _words(
        "`none`, `cloudevents`, `debezium`",
        "`none`",
        "What the record's value is wrapped in.",
    ),
    "eventTime": _words(
        "a column",
        "CloudEvents `time`, or when the source made the change, else the record's timestamp; at rest the file's",
        "When the event happened: `_event_time`.",
    ),
    "eventId": _words(
        "a column, or `coordinates`",
        "`coordinates`",
        "What identifies the event: `_event_id`. `coordinates` are topic, partition and offset, or file and line.",
    ),
    "allowedLateness": _words(_DURATION, "`PT0S`", "How late an event may come."),
    "partitions": _words("a whole number, 1 or more", "1", "Of the topic, where the mesh creates it."),
    "startFrom": _words(
        "`earliest`, `latest`, an RFC 3339 timestamp",
        "`earliest`",
        "Where a new stream begins; a known one never goes back.",
    ),
    "onError": _words(
        "`dead_letter`, `fail`",
        "`dead_letter`",
        "What a record that breaks its contract does; `fail` stops the stream.",
    ),
    "maxDeadLetterRatio": _words(
        "0 to 1",
        "0.1",
        "The share of dead letters among the last 1,000 records above which the stream stops; judged from 100 on, "
        "and only where new ones come.",
    ),
    "onLoss": _words(
        "`fail`, `record`",
        "`fail`",
        "What happens when retention took offsets before they were read: stop, or go on with a gap `lost`; either way "
        "the status is red until `mesh loss acknowledge`.",
    ),
    "onUnknownField": _words(
        "`keep`, `dead_letter`, `fail`",
        "`keep`",
        "What a field does that the contract does not name; kept ones are in `_unknown`.",
    ),
    "retainRaw": _words("`true`, `false`", "`false`", "Whether the value's bytes are kept in `_raw`."),
    "subjectKey": _words(
        "a column", "none", "Whose data a row is; must be said where a column's classification is personal."
    ),
    "reference": _words("`domain.table.column`", "none", "What a `notification` points to."),
    "framing": _words(
        "`confluent`, `single_object`, `none`",
        "`none` for JSON, else `confluent`",
        "What stands before the payload; `single_object` is Avro's own.",
    ),
    "schema": _words(
        "a file beside the contract",
        "none",
        "The `.avsc`, where the frame names no schema.",
    ),
    "eventType": _words(
        "text",
        "none",
        "Stands at a schema object: the type of event that its table takes, and no other table.",
    ),
    "eventTypeFrom": _words(
        "`header:NAME`, `field:NAME`, a name, or `schema` (Avro)",
        "CloudEvents `type`",
        "Where a record says its type. A name alone is the field where a column is called so, else the header; "
        "`schema` is the name of the writer's record.",
    ),
    "history": _words("a source at rest", "none", "What is loaded before `startFrom`.", later=True),
    "load": _words(
        "`snapshot`, `append`",
        "`snapshot`",
        "How data at rest is taken in: replaced as a whole when the source changed, or only what is new.",
    ),
    "cursor": _words(
        "a required column",
        "none",
        "What `append` reads above: rows beyond the table's greatest value of it.",
    ),
    "delimiter": _words(
        "one character for CSV; `new_line`, `array` for JSON",
        "`,`; for JSON what the file begins with",
        "What stands between two fields of a CSV file, or how a JSON file holds its documents.",
    ),
    "nullText": _words(
        "text, or a list of texts",
        "none",
        "What a CSV file writes where there is no value, as `NA`, besides an empty field.",
    ),
    "incremental": _words(
        "`full`, `window`, `key` (the last two not built yet)",
        "`full`",
        "How a product is brought up to date.",
    ),
    "window": _words(_DURATION, "none", "The width of the windows that are computed again.", later=True),
}

TABLES: Final[Mapping[str, tuple[str, str]]] = {
    "stream": (
        "A stream's table",
        (
            "First the columns of the contract, then these. `_op`, `_source_position` and `_before` are there only "
            "with `envelope: debezium`, `_raw` only with `retainRaw: true`, `_file` and `_line` only for data at rest. "
            "There `_partition` is 0, `_offset` counts the records of all loads, `_timestamp` is the file's time of "
            "change, and `_key`, `_headers` and `_schema_id` are null."
        ),
    ),
    "dead_letters": (
        "dead_letters",
        "Records that broke their contract, byte for byte; [stages and rules](../decoding.md#stages-and-rules).",
    ),
    "ledger": (
        "ledger",
        "The account: a row a partition and commit, added in the transaction that makes the rows visible.",
    ),
    "loads": (
        "loads",
        (
            "The files that data at rest was loaded from, a row a file and load, added with the load's rows. The "
            "table is there once a domain has loaded data at rest."
        ),
    ),
    "offsets": ("offsets", "One row: how far each stream is. It is what ingest begins from."),
}

_COORDINATES: Final = {
    "_partition": "Kafka's partition.",
    "_offset": "Kafka's offset. With `_epoch` and `_partition` it identifies the record.",
    "_timestamp": "The record's timestamp, to the millisecond; null where it has none.",
    "_key": "The key's bytes; null and empty are distinct.",
    "_headers": "The headers in their order, with repeats and null values; CloudEvents attributes are `ce_*`.",
    "_epoch": "Which topic of that name: 0, and one more each time a recreated topic is accepted.",
    "_ingested_at": "When it was decoded.",
    "_file": "Of data at rest: the file, as the contract's path names it.",
    "_line": "Of data at rest: the line in which the record begins, from 1; of Parquet the row's number.",
}

COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "stream": _COORDINATES
    | {
        "_event_id": "The column that `eventId` names as text, or `topic/partition/offset`.",
        "_event_time": "The column that `eventTime` names, else the CloudEvents `time` or when the source made the "
        "change, else the record's timestamp.",
        "_schema_id": "Of the schema that wrote the record; null for JSON.",
        "_tombstone": "True where the value was null: the contract's columns are null then.",
        "_unknown": "JSON of the fields that the contract does not name; null where there is none.",
        "_op": "What the change did: `c` created, `u` updated, `d` deleted, `r` read by a snapshot, `t` truncated the "
        "table, `m` a logical message; null for a tombstone.",
        "_source_position": "Where the change stands in its source: a text that "
        "[sorts](../how-to/change-data.md#the-order-of-changes) as the changes were made; null where none is told.",
        "_before": "JSON of the row before the change, as far as the source tells it; null where it does not.",
        "_raw": "The value's bytes.",
    },
    "dead_letters": _COORDINATES
    | {
        "stream": "The stream's name.",
        "stage": "Where on its way the record failed: `envelope`, `decode` or `validate`.",
        "rule": "A short stable word: `type`, `required`, `json_syntax` and so on.",
        "path": "Where in the document, as `$.route.origin`; `$` is the document itself.",
        "message": "A sentence about types and limits. It never quotes the record.",
        "_value": "The value's bytes.",
        "contract_version": "Of the contract that it broke.",
    },
    "loads": {
        "stream": "The name of the table.",
        "load": "The load's number, from 1.",
        "mode": "`snapshot` or `append`.",
        "path": "The file, as the contract's path names it.",
        "size_bytes": "Its size.",
        "modified_at": "When it was last changed, as the file system has it.",
        "sha256": "Of its bytes.",
        "from_offset": "The first `_offset` of its rows and dead letters.",
        "to_offset": "The first `_offset` beyond them.",
        "row_count": "Rows stored.",
        "dead_letter_count": "Dead letters stored.",
        "skipped_count": "Records of an `append` with a cursor that were not new.",
        "contract_version": "The contract that decided.",
        "contract_hash": "Of what the contract says of columns and files: a snapshot is loaded anew when it changes.",
        "_ingested_at": "When the load began.",
    },
    "ledger": {
        "stream": "The stream's name.",
        "epoch": "As `_epoch` of the rows.",
        "partition": "Kafka's partition.",
        "from_offset": "The first offset answered for.",
        "to_offset": "The first offset not answered for.",
        "row_count": "Rows stored.",
        "dead_letter_count": "Dead letters stored; below 0 where a retry made so many of them rows.",
        "removed_count": "Rows taken away, as by a later snapshot; 0 for what ingest stored.",
        "gaps": "JSON: `[{kind, from_offset, to_offset}]`; `skipped`: not handed out by the broker, `lost`: gone.",
        "content_hash": "The sum of the records' hashes, modulo 2^64 (decision 0002).",
        "contract_version": "The contract that decided.",
        "writer": "Host, process and pass.",
        "committed_at": "When.",
    },
    "offsets": {
        "offsets": "JSON: for each stream its epoch, the topic's identity, next offsets and running totals.",
        "batch": "The id of the last commit, by which a commit with an unknown outcome is recognised.",
    },
}
