"""`properties`: the columns of a table, with their types, nested as deep as the contract nests them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from mesh_defs.contract.arrow import RESERVED_COLUMNS
from mesh_defs.contract.custom import refuse_all
from mesh_defs.contract.document import Node
from mesh_defs.contract.options import with_options
from mesh_defs.contract.physical import (
    SUPPORTED,
    UnsupportedTypeError,
    check_array,
    column_type,
    inferred_logical_type,
    map_type,
)
from mesh_defs.contract.report import Report, did_you_mean
from mesh_defs.contract.types import Column, ColumnType, Kind, QualityEntry

COLUMN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_NO_KEY: Final = frozenset([Kind.OBJECT, Kind.ARRAY, Kind.MAP, Kind.JSON])
_LOGICAL_TYPES: Final = frozenset(
    [
        "string",
        "integer",
        "number",
        "boolean",
        "date",
        "time",
        "timestamp",
        "object",
        "array",
        "map",
        "vector",
    ]
)
_PLACEHOLDER: Final = ColumnType(kind=Kind.JSON)


def read_columns(table: Node, report: Report) -> tuple[Column, ...]:
    """Read the columns of a schema object.

    Args:
        table: The node of the schema object.
        report: Takes everything that is wrong; a column in doubt is left in, so that later lints see its name.
    """
    properties = table.get("properties")
    nodes = properties.elements() if properties else ()
    if not nodes:
        report.error(table, "columns", "a table needs `properties`: its columns; say at least one")
    columns = _read_all(nodes, report, nested=False)
    _check_key_positions(columns, report, table)
    return columns


def _read_all(nodes: Iterable[Node], report: Report, *, nested: bool) -> tuple[Column, ...]:
    columns = []
    seen: dict[str, str] = {}
    for node in nodes:
        name = node.string("name")
        if name is None:
            continue
        _check_name(name, node, report, nested=nested)
        if name.casefold() in seen:
            other = seen[name.casefold()]
            message = f"the column {name!r} stands twice: {other!r} differs at most in case; rename one"
            report.error(node, "name", message)
            continue
        seen[name.casefold()] = name
        columns.append(_read(node, name, report, nested=nested))
    return tuple(columns)


def _check_name(name: str, node: Node, report: Report, *, nested: bool) -> None:
    place = node.get("name") or node
    if not COLUMN_NAME.fullmatch(name):
        message = f"{name!r} is no column name: letters, digits and `_`, no digit first, at most 128"
        report.error(place, "name", message)
    elif not nested and name.casefold() in RESERVED_COLUMNS:
        report.error(place, "name", f"{name!r} is a column of the platform's own; rename it")
    physical = node.string("physicalName")
    if physical is not None and physical != name:
        message = f"physicalName {physical!r} is not supported: a column has its field's name, {name!r}"
        report.error(node.entries()["physicalName"], "not-supported", message)


def _read(node: Node, name: str, report: Report, *, nested: bool) -> Column:
    refuse_all(node, report)
    type_ = _read_type(node, report)
    primary_key = node.flag("primaryKey")
    for key in ("primaryKey", "unique"):
        if node.flag(key) and (nested or type_.kind in _NO_KEY):
            message = f"{key} is not supported here: only a column of its own with a plain value can be one"
            report.error(node.entries()[key], "not-supported", message)
    position = node.get("primaryKeyPosition")
    placed = primary_key and position is not None and _is_position(position.value)
    return Column(
        name=name,
        type=type_,
        required=node.flag("required"),
        unique=node.flag("unique"),
        primary_key=primary_key,
        primary_key_position=position.value
        if placed and position and isinstance(position.value, int)
        else None,
        description=(node.string("description") or "").strip(),
        classification=node.string("classification"),
        quality=quality_entries(node),
        source=node.line,
    )


def _is_position(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _read_type(node: Node, report: Report) -> ColumnType:
    logical = inferred_logical_type(node.plain())
    physical = node.string("physicalType")
    place = node.get("physicalType") or node.get("logicalType") or node
    if logical is None:
        seen = f"physicalType {physical!r} does not tell it" if physical else "nothing tells it"
        message = f"logicalType must be said here: {seen}; supported physical types are {SUPPORTED}"
        report.error(place, "type", message)
        return _PLACEHOLDER
    if logical not in _LOGICAL_TYPES:
        # The standard's own check has reported the word.
        return _PLACEHOLDER
    try:
        type_ = _typed(node, logical, physical, report)
    except UnsupportedTypeError as error:
        report.error(place, "type", str(error))
        return _PLACEHOLDER
    return with_options(type_, node.get("logicalTypeOptions"), report, narrowed=physical is not None)


def _typed(node: Node, logical: str, physical: str | None, report: Report) -> ColumnType:
    _check_placement(node, logical, report)
    match logical:
        case "array":
            return _array(node, physical, report)
        case "object":
            return _object(node, physical, report)
        case "map":
            return _map(node, physical, report)
        case "vector":
            raise UnsupportedTypeError(
                "logicalType vector is not supported: say array, and `items` of number"
            )
        case _:
            _check_zone(node, physical, report)
            return column_type(logical, physical)


def _check_placement(node: Node, logical: str, report: Report) -> None:
    for key, belongs in (("properties", "object"), ("items", "array"), ("map", "map")):
        if (child := node.get(key)) is not None and logical != belongs:
            report.key_error(child, "misplaced-key", "this key has no place here; remove it")


def _check_zone(node: Node, physical: str | None, report: Report) -> None:
    options = node.get("logicalTypeOptions")
    zone = options.get("timezone") if options else None
    if zone is not None and zone.value is False and (physical or "").strip().casefold() == "timestamptz":
        report.error(
            zone, "option", "physicalType timestamptz is an instant: `timezone: false` contradicts it"
        )


def _array(node: Node, physical: str | None, report: Report) -> ColumnType:
    check_array(physical)
    items = node.get("items")
    if items is None or not items.entries():
        raise UnsupportedTypeError("an array needs `items`: the type of its elements")
    item = _read(items, "element", report, nested=True)
    return ColumnType(kind=Kind.ARRAY, item=item)


def _object(node: Node, physical: str | None, report: Report) -> ColumnType:
    type_ = column_type("object", physical)
    properties = node.get("properties")
    word = (physical or "object").strip().casefold()
    if properties is None or not properties.elements():
        if word == "struct":
            raise UnsupportedTypeError("a struct needs `properties`: its fields; or say physicalType json")
        return type_
    if word not in ("object", "struct"):
        raise UnsupportedTypeError(
            f"physicalType {physical!r} contradicts `properties`: remove one of the two"
        )
    fields = _read_all(properties.elements(), report, nested=True)
    _check_required(node, fields, report)
    return ColumnType(kind=Kind.OBJECT, fields=fields) if fields else _PLACEHOLDER


def _check_required(node: Node, fields: tuple[Column, ...], report: Report) -> None:
    options = node.get("logicalTypeOptions")
    required = options.get("required") if options else None
    names = [field.name for field in fields]
    for element in required.elements() if required else ():
        if isinstance(element.value, str) and element.value not in names:
            hint = did_you_mean(element.value, names)
            report.error(element, "option", f"required names {element.value!r}, which is no property{hint}")


def _map(node: Node, physical: str | None, report: Report) -> ColumnType:
    if physical is not None and physical.strip().casefold() != "map":
        raise UnsupportedTypeError(f"physicalType {physical!r} contradicts `map`: remove it, or say `map`")
    entry = node.get("map")
    key, value = (entry.get("key"), entry.get("value")) if entry else (None, None)
    if key is None or value is None or not (key.entries() and value.entries()):
        raise UnsupportedTypeError("a map needs `map`, with the types of its `key` and its `value`")
    if value.flag("required"):
        report.error(value.entries()["required"], "not-supported", "required is not supported in a map")
    return map_type(_read_type(key, report), _read_type(value, report))


def quality_entries(node: Node) -> tuple[QualityEntry, ...]:
    """Return the rules of `quality` of a table or a column.

    ODCS 3.2's `enum` is one more of them: the values that are valid.
    """
    quality = node.get("quality")
    entries = [
        _entry(rule, rule.plain()) for rule in (quality.elements() if quality else ()) if rule.entries()
    ]
    enum = node.get("enum")
    if enum is not None:
        values = [entry.plain().get("value") for entry in enum.elements() if entry.entries()]
        rule = {"metric": "invalidValues", "arguments": {"validValues": values}, "mustBe": 0}
        entries.append(_entry(enum, rule))
    return tuple(entries)


def _entry(node: Node, rule: dict[str, Any]) -> QualityEntry:
    return QualityEntry(rule=rule, line=node.line, column=node.column, where=node.where)


def _check_key_positions(columns: tuple[Column, ...], report: Report, table: Node) -> None:
    positions = [c.primary_key_position for c in columns if c.primary_key]
    said = [p for p in positions if p is not None]
    if len(set(said)) != len(said) or (said and len(said) != len(positions)):
        message = (
            "primaryKeyPosition must be said for every column of the primary key, or none, without repeats"
        )
        report.error(table.get("properties") or table, "key", message)
