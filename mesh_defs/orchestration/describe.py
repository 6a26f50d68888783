"""What a contract says of itself, in the words that Dagster shows."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping

import dagster as dg

from mesh_defs.contract.arrow import arrow_type, platform_columns
from mesh_defs.contract.contract import ContractBase, Domain, InputContract, RestContract, StreamContract
from mesh_defs.contract.types import Column
from mesh_defs.orchestration.sources import source_metadata
from mesh_defs.store.schema import sql_type

PLATFORM_DESCRIPTIONS: Mapping[str, str] = {
    "_partition": "The record's partition.",
    "_offset": "The record's offset.",
    "_timestamp": "The record's timestamp, as the broker holds it.",
    "_key": "The record's key; null and empty are distinct.",
    "_headers": "The record's headers, in order; names may repeat.",
    "_event_id": "The event's identity, by the contract's `eventId`.",
    "_event_time": "The event's time, by the contract's `eventTime`.",
    "_epoch": "Which topic of this name: it grows when a recreated topic is accepted.",
    "_schema_id": "The schema that the writer used, where the record names one.",
    "_ingested_at": "When the pass that stored the row began its batch.",
    "_tombstone": "Whether the record has no value.",
    "_unknown": "The fields that the contract does not name, as JSON.",
    "_op": "What the change did: `c` created, `u` updated, `d` deleted, `r` read, `t` truncated, `m` a message.",
    "_source_position": "Where the change stands in its source; such texts sort as the changes were made.",
    "_before": "The row before the change, as JSON.",
    "_raw": "The value's bytes.",
    "_file": "The file that the row stood in.",
    "_line": "The line that it began in; of Parquet the row's number.",
}

# Dagster's own pattern for addresses, narrower than the standard: it refuses the whole domain otherwise.
_DAGSTER_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")
_TEAM = re.compile(r"team:.+")
_TAG_PART = re.compile(r"[^A-Za-z0-9_.-]+")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_MARK_AT_START = re.compile(r"^[\s#>*+-]+")
_TAG_LIMIT = 63


def owners(contract: ContractBase, domain: Domain) -> list[str]:
    """Return the contract's owner, else the domain's; none where Dagster takes neither form."""
    named = (contract.owner, domain.owner)
    return [o for o in named if o and (_DAGSTER_EMAIL.fullmatch(o) or _TEAM.fullmatch(o))][:1]


def tags(contract: ContractBase) -> dict[str, str]:
    """Return the contract's tags and its life-cycle, in the characters that Dagster allows in tags."""
    found = {"mesh/status": _tag(contract.status), "mesh/version": _tag(contract.version)}
    if isinstance(contract, StreamContract | RestContract) and contract.event_kind is not None:
        found["mesh/event_kind"] = _tag(contract.event_kind)
    for tag in contract.tags:
        name, _, value = tag.partition(":")
        found[_tag(name) or "tag"] = _tag(value)
    return found


def description(contract: ContractBase) -> str:
    """Return the description, its first line plain text: the catalogue shows that line as it stands."""
    lines = contract.description.strip().splitlines()
    first = plain(lines[0]) if lines else ""
    return "\n".join([first or contract.title or contract.full_name, *lines[1:]])


def plain(line: str) -> str:
    """Return one line of Markdown without its marks."""
    text = _LINK.sub(r"\1", _MARK_AT_START.sub("", line))
    return text.replace("`", "").replace("**", "").strip()


def table_schema(contract: ContractBase) -> dg.TableSchema:
    """Return the columns that SQL sees, with what the contract promises of them."""
    columns = [_column(c) for c in contract.columns]
    if isinstance(contract, InputContract):
        columns += [
            dg.TableColumn(f.name, sql_type(f.type), description=PLATFORM_DESCRIPTIONS[f.name])
            for f in platform_columns(contract)
        ]
    return dg.TableSchema(columns=columns)


def contract_metadata(contract: ContractBase) -> dict[str, dg.MetadataValue]:
    """Return what stands on an asset's page before anything was ever ingested or computed."""
    found: dict[str, dg.MetadataValue] = {
        "dagster/column_schema": dg.MetadataValue.table_schema(table_schema(contract)),
        "dagster/table_name": dg.MetadataValue.text(contract.full_name),
        "contract_version": dg.MetadataValue.text(contract.version),
    }
    if contract.owner:
        found["owner"] = dg.MetadataValue.text(contract.owner)
    if contract.sla:
        promises = (f"{s.property}: {s.value}{f' {s.unit}' if s.unit else ''}" for s in contract.sla)
        found["service_levels"] = dg.MetadataValue.text(", ".join(promises))
    return found | source_metadata(contract)


def _column(column: Column) -> dg.TableColumn:
    return dg.TableColumn(
        column.name,
        sql_type(arrow_type(column.type)),
        description=column.description or None,
        constraints=dg.TableColumnConstraints(
            nullable=not column.required, unique=column.unique, other=list(_other(column))
        ),
    )


def _other(column: Column) -> Iterator[str]:
    if column.primary_key:
        yield "primary key"
    if column.classification:
        yield f"classification: {column.classification}"
    limits = column.type.limits
    for field in dataclasses.fields(limits):
        value = getattr(limits, field.name)
        if value != field.default:
            yield f"{_camel(field.name)}: {value}"
    for entry in column.quality:
        yield f"quality: {entry.rule.get('metric') or entry.rule.get('rule') or entry.rule.get('type') or 'rule'}"


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _tag(text: str) -> str:
    return _TAG_PART.sub("_", text.strip())[:_TAG_LIMIT]
