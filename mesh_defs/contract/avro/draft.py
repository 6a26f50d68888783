"""The draft of a stream's contract from an Avro schema: a document of the Open Data Contract Standard."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from mesh_defs.contract.avro.columns import Property, columns_of, plain_text
from mesh_defs.contract.avro.types import AvroSchema, Record, Union, name_of, simple_name
from mesh_defs.contract.choices import Envelope, EventKind
from mesh_defs.contract.custom import Framing
from mesh_defs.model.errors import ConfigError

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.<>(),-]*")
_WORDS: Final = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan"])
"""What YAML 1.1 reads as something else than text; 1.2 no longer does, but tools of others do."""

_DEBEZIUM: Final = ("before", "after", "op", "source")
_SIMPLE: Final = frozenset(["string", "integer", "number", "boolean", "date", "time", "timestamp"])
_LIKELY_KEYS: Final = frozenset(["string", "integer"])
_KEYED: Final = frozenset([EventKind.STATE, EventKind.HYBRID])


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a person says about a stream, and its schema does not.

    Attributes:
        source: Where the schema comes from, in words for the contract's reader.
        primary_key: The columns of the key; empty where it shall be guessed.
        reference: The `domain.table.column` that a notification points to.
    """

    domain: str
    stream: str
    topic: str
    event_kind: EventKind
    source: str
    framing: Framing = Framing.CONFLUENT
    envelope: Envelope = Envelope.NONE
    primary_key: tuple[str, ...] = ()
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A contract that is written, but not yet to a file.

    Attributes:
        text: YAML.
        notes: Sentences that its author should read.
    """

    text: str
    notes: tuple[str, ...] = ()


def draft_contract(schema: AvroSchema, wanted: Wanted) -> Draft:
    """Return a contract for the events that a schema describes.

    Raises:
        ConfigError: The schema is of no record, its record has no field that can be a column, or the kind of event
            needs something that is neither said nor told by the schema.
    """
    record, notes = _events(schema, wanted)
    columns = columns_of(schema, record)
    if not columns.properties:
        raise _refused(
            wanted, f"the record {record.name} has no field that can be a column", "name another schema"
        )
    notes += columns.notes
    notes += _set_key(columns.properties, record, wanted)
    document = _document(columns.properties, plain_text(record.doc), wanted)
    return Draft(text=_yaml(document), notes=tuple(notes))


def _events(schema: AvroSchema, wanted: Wanted) -> tuple[Record, list[str]]:
    """Return the record whose fields are the columns."""
    root = schema.resolved(schema.root)
    if isinstance(root, Union):
        root = _only_record(schema, root, wanted)
    if not isinstance(root, Record):
        why = f"{wanted.source} is no record but {name_of(root)!r}, and columns are the fields of a record"
        raise _refused(wanted, why, "name the schema of a record")
    names = {field.name for field in root.fields}
    if wanted.envelope is not Envelope.DEBEZIUM:
        looks = names.issuperset(_DEBEZIUM)
        return root, [
            "the schema looks like Debezium's envelope: `--envelope debezium` takes the columns from `after`"
        ] if looks else []
    after = next((field.type for field in root.fields if field.name == "after"), None)
    branches = after.branches if isinstance(after, Union) else (after,) if after else ()
    rows = [found for branch in branches if isinstance(found := schema.resolved(branch), Record)]
    if "op" not in names or len(rows) != 1:
        why = f"{wanted.source} is no envelope of Debezium, which has `op` and one record in `after`"
        raise _refused(wanted, why, "leave --envelope out, or name the schema of the topic's values")
    return rows[0], []


def _only_record(schema: AvroSchema, root: Union, wanted: Wanted) -> Record:
    """Return the record of a union that has one, as of a record that may be null."""
    found = [record for branch in root.branches if isinstance(record := schema.resolved(branch), Record)]
    if len(found) != 1:
        why = f"{wanted.source} is a union of {len(found)} records, and a contract is derived from one"
        do = "derive one from each, and put their `schema` entries into one contract with `eventTypeFrom: schema`"
        raise _refused(wanted, why, do if found else "name the schema of a record")
    return found[0]


def _set_key(properties: Sequence[Property], record: Record, wanted: Wanted) -> list[str]:
    """Mark the columns of the primary key, and return what is to be said about it."""
    by_name = {column["name"]: column for column in properties}
    key = wanted.primary_key
    unknown = [name for name in key if by_name.get(name, {}).get("logicalType") not in _SIMPLE]
    if unknown:
        raise _refused(wanted, f"{unknown[0]!r} is no column with a plain value", "name the key's columns")
    guessed = not key and wanted.event_kind in _KEYED
    if guessed:
        key = _likely_key(properties, record, wanted)
    if not key and wanted.event_kind is EventKind.STATE:
        why = "a state needs a key, and the schema does not tell it"
        raise _refused(wanted, why, "name the key's columns with --primary-key")
    for position, name in enumerate(key, start=1):
        if name in _never_null(record):
            by_name[name]["required"] = True
        by_name[name]["primaryKey"] = True
        by_name[name]["primaryKeyPosition"] = position
    return (
        [f"took {key[0]!r} for the primary key; mend `primaryKey` where it is another"]
        if guessed and key
        else []
    )


def _never_null(record: Record) -> frozenset[str]:
    return frozenset(field.name for field in record.fields if not isinstance(field.type, Union))


def _likely_key(properties: Sequence[Property], record: Record, wanted: Wanted) -> tuple[str, ...]:
    """Return the column that is named like a key: `id`, `user_id` or `userid` of `users`, `key`."""
    given = _never_null(record)
    likely = [c["name"] for c in properties if c["name"] in given and c["logicalType"] in _LIKELY_KEYS]
    folded = {name.casefold().replace("_", ""): name for name in likely}
    stems = [word.casefold().replace("_", "") for word in (simple_name(record.name), wanted.stream)]
    stems += [stem.removesuffix("s") for stem in stems]
    for candidate in ("id", *(f"{stem}id" for stem in stems), "key", *stems):
        if candidate in folded:
            return (folded[candidate],)
    return ()


def _document(properties: Sequence[Property], doc: str, wanted: Wanted) -> dict[str, Any]:
    custom = {"eventKind": str(wanted.event_kind)}
    if wanted.envelope is not Envelope.NONE:
        custom["envelope"] = str(wanted.envelope)
    custom |= {"framing": str(wanted.framing), "schema": f"{wanted.stream}.avsc"}
    if wanted.reference is not None:
        custom["reference"] = wanted.reference
    words = wanted.stream.replace("_", " ")
    return {
        # Maps of objects are of 3.2; everything else is said as 3.1 says it, which more tools read.
        "apiVersion": "v3.2.0" if any(map(_has_map, properties)) else "v3.1.0",
        "kind": "DataContract",
        "id": f"{wanted.domain}.{wanted.stream}",
        "name": words[0].upper() + words[1:],
        "version": "1.0.0",
        "status": "active",
        "domain": wanted.domain,
        "description": {"purpose": doc or f"Events of the topic {wanted.topic}."},
        "servers": [{"server": "main", "type": "kafka", "host": "localhost:9092", "format": "avro"}],
        "schema": [
            {
                "name": wanted.stream,
                "physicalName": wanted.topic,
                "physicalType": "topic",
                "properties": list(properties),
            }
        ],
        "customProperties": [{"property": name, "value": value} for name, value in custom.items()],
    }


def _has_map(property_: Mapping[str, Any]) -> bool:
    below = [*property_.get("properties", ()), *([property_["items"]] if "items" in property_ else ())]
    return "map" in property_ or any(map(_has_map, below))


def _yaml(document: Mapping[str, Any]) -> str:
    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    yaml.dump(_quoted(document), out)
    return out.getvalue()


def _quoted(value: Any) -> Any:
    """Return a document whose texts are quoted where some reader of YAML could take them for something else."""
    if isinstance(value, Mapping):
        return {key: _quoted(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_quoted(inner) for inner in value]
    if isinstance(value, str) and (not _PLAIN.fullmatch(value) or value.casefold() in _WORDS):
        return DoubleQuotedScalarString(value)
    return value


def _refused(wanted: Wanted, why: str, do: str) -> ConfigError:
    return ConfigError(cannot=f"import the contract of {wanted.domain}.{wanted.stream}", why=why, do=do)
