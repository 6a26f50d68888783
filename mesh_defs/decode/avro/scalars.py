"""Scalars of Avro in columns: the same type, a promotion that loses nothing, or what the contract's words say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
import pyarrow as pa

from mesh_defs.contract.arrow import arrow_type
from mesh_defs.contract.avro.types import Primitive
from mesh_defs.contract.types import Column, ColumnType, Kind, TimeEncoding
from mesh_defs.decode import exact
from mesh_defs.decode.avro.nodes import Node
from mesh_defs.decode.avro.text import Text, uuid_text
from mesh_defs.decode.columns.arrow import FromArrow, Listed, Rescaled, Widened
from mesh_defs.decode.columns.base import Array, Check, Converter
from mesh_defs.decode.columns.build import converter_for
from mesh_defs.decode.columns.counts import COUNTS
from mesh_defs.decode.columns.limits import checks_for
from mesh_defs.decode.columns.patterns import FULL_DATE
from mesh_defs.decode.refusal import Refusal

_INTEGERS: Final = frozenset([Kind.BIGINT, Kind.INT, Kind.SMALLINT])
_FLOATS: Final = frozenset([Kind.DOUBLE, Kind.FLOAT])
_MOMENTS: Final = frozenset([Kind.DATE, Kind.TIME, Kind.TIMESTAMP])
_LOCAL: Final = "local-"
_ISO: Final = {Kind.DATE: "iso-date", Kind.TIME: "iso-time", Kind.TIMESTAMP: "iso-timestamp"}

_COUNTED: Final[Mapping[str, tuple[Kind, TimeEncoding]]] = {
    "date": (Kind.DATE, TimeEncoding.EPOCH_D),
    "time-millis": (Kind.TIME, TimeEncoding.TIME_MS),
    "time-micros": (Kind.TIME, TimeEncoding.TIME_US),
    "time-nanos": (Kind.TIME, TimeEncoding.TIME_NS),
    "timestamp-millis": (Kind.TIMESTAMP, TimeEncoding.EPOCH_MS),
    "timestamp-micros": (Kind.TIMESTAMP, TimeEncoding.EPOCH_US),
    "timestamp-nanos": (Kind.TIMESTAMP, TimeEncoding.EPOCH_NS),
    "local-timestamp-millis": (Kind.TIMESTAMP, TimeEncoding.EPOCH_MS),
    "local-timestamp-micros": (Kind.TIMESTAMP, TimeEncoding.EPOCH_US),
    "local-timestamp-nanos": (Kind.TIMESTAMP, TimeEncoding.EPOCH_NS),
}


class JsonText(FromArrow):
    """Values of whatever type as JSON text.

    Args:
        text: Writes them.
    """

    def __init__(
        self, type_: ColumnType, text: Text, *, required: bool, checks: tuple[Check, ...] = ()
    ) -> None:
        super().__init__(type_, required=required, checks=checks)
        self._text = text

    def _convert(self, values: Any) -> Array:
        return pa.array(
            [None if v is None else self._text.dumped(v) for v in values.to_pylist()], pa.string()
        )

    def _comparable(self, values: Any, array: Array) -> Sequence[Any]:
        del values
        documents = [exact.document(str(text).encode()) for text in array.drop_null().to_pylist()]
        if not all(isinstance(document, dict) for document in documents):
            raise Refusal("type", "expected an object")
        return documents


class Utf8(FromArrow):
    """Bytes as text."""

    def _misfit(self) -> Refusal:
        return Refusal("format", "the bytes are no UTF-8, which a string is written in")


def scalar(node: Node, column: Column, *, required: bool) -> Converter | None:
    """Return what turns scalars into a column; None where the column cannot take them."""
    type_ = column.type
    if type_.kind in _MOMENTS:
        return _moment(node, column, required=required)
    if type_.kind in (Kind.DECIMAL, Kind.UUID):
        return _spelt(node, column, required=required)
    if _is_fixed_uuid(node) and type_.kind is Kind.STRING:
        return Listed(type_, document_converter(column, required=required), uuid_text)
    form = _arrow_form(node, type_.kind)
    return None if form is None else form(type_, required=required, checks=checks_for(type_))


def _arrow_form(node: Node, kind: Kind) -> type[FromArrow] | None:
    """Return the class that needs no more than Arrow does."""
    given = node.arrow
    if pa.types.is_integer(given):
        return FromArrow if kind in _INTEGERS else Widened if kind in _FLOATS else None
    same = {
        Kind.DOUBLE: pa.types.is_floating(given),
        Kind.FLOAT: pa.types.is_float32(given),
        Kind.BOOLEAN: pa.types.is_boolean(given),
        Kind.STRING: pa.types.is_string(given) and not is_decimal(node),
        # What is a string to one version of a schema may be bytes to another.
        Kind.BYTES: pa.types.is_binary(given) or is_text(node),
    }
    if kind is Kind.STRING and isinstance(node.type, Primitive) and pa.types.is_binary(given):
        return Utf8
    return FromArrow if same.get(kind) else None


def _spelt(node: Node, column: Column, *, required: bool) -> Converter | None:
    """Return the converter of a decimal or a UUID, which a text may spell."""
    inner = document_converter(column, required=required)
    if column.type.kind is Kind.UUID:
        if _is_fixed_uuid(node):
            return Listed(column.type, inner, uuid_text)
        return Listed(column.type, inner) if is_text(node) else None
    if pa.types.is_integer(node.arrow) or pa.types.is_decimal(node.arrow):
        same = node.arrow == arrow_type(column.type)
        form = FromArrow if same else Rescaled
        return form(column.type, required=required, checks=checks_for(column.type))
    if is_decimal(node):
        return Listed(column.type, inner, lambda digits: msgspec.Raw(digits.encode()))
    return (
        Listed(column.type, inner, lambda text: msgspec.Raw(msgspec.json.encode(text)))
        if is_text(node)
        else None
    )


def _moment(node: Node, column: Column, *, required: bool) -> Converter | None:
    type_ = column.type
    logical = node.logical
    if logical is not None and logical.name in _COUNTED:
        kind, encoding = _COUNTED[logical.name]
        local = logical.name.startswith(_LOCAL)
        zoned = kind is not Kind.TIMESTAMP or type_.timezone is not local or logical.zoneless
        if kind is not type_.kind or not zoned:
            return None
        return COUNTS[kind](replace(type_, encoding=encoding), required=required, checks=checks_for(type_))
    if type_.encoding is not TimeEncoding.RFC3339:
        if not pa.types.is_integer(node.arrow):
            return None
        return COUNTS[type_.kind](type_, required=required, checks=checks_for(type_))
    return _written(node, column, required=required) if is_text(node) else None


def _written(node: Node, column: Column, *, required: bool) -> Converter:
    """Return the converter of moments that are texts; those of wall clocks may bear a Z that means nothing."""
    type_, logical = column.type, node.logical
    bare = logical is not None and logical.name == _ISO[type_.kind]
    bare = bare and not (type_.kind is Kind.TIMESTAMP and type_.timezone)
    read: Callable[[str], Any] | None = _without_z if bare else None
    if type_.kind is Kind.DATE:
        read = _bare_date if bare else _date
    return Listed(type_, document_converter(column, required=required), read)


def is_text(node: Node) -> bool:
    """Return whether values are texts that may spell something else."""
    return isinstance(node.type, Primitive) and node.type.name == "string" and not node.cut


def is_decimal(node: Node) -> bool:
    """Return whether values are decimals, of whatever size."""
    return node.logical is not None and node.logical.name == "decimal"


def document_converter(column: Column, *, required: bool) -> Converter:
    """Return the column's converter for values as documents write them."""
    return converter_for(replace(column, required=required))


def _is_fixed_uuid(node: Node) -> bool:
    uuid = node.logical is not None and node.logical.name == "uuid"
    return uuid and pa.types.is_binary(node.arrow)


def _without_z(text: str) -> str:
    return text.removesuffix("Z")


def _bare_date(text: str) -> dt.date:
    return _date(_without_z(text))


def _date(text: str) -> dt.date:
    if not FULL_DATE.fullmatch(text):
        raise Refusal("format", "the text is no date as RFC 3339 writes it: yyyy-mm-dd")
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise Refusal("format", "the text is no date as RFC 3339 writes it: yyyy-mm-dd") from None
