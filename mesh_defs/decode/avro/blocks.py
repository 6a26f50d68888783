"""The fast decoder: many payloads of one writer's schema as one block of an object container, read by polars.

Polars reads what its reader is told in a schema of this module's own making: only types whose every value it reads
exactly (booleans as bytes and enums as numbers, which it would not check), in the shape of the wire. Behind each
payload stands a mark; a payload that is not consumed to its last byte, or beyond it, moves its mark. Whatever
polars refuses or this module doubts is left to the exact decoder, record by record.

Source: Apache Avro 1.12 specification, "Object Container Files".
"""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Sequence
from itertools import count
from typing import Any, Final, TypeAlias

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from mesh_defs.contract.avro.types import Array, Enum, Fixed, Primitive, Record
from mesh_defs.decode.avro.branches import Branches
from mesh_defs.decode.avro.nodes import Node, is_null
from mesh_defs.decode.columns import base
from mesh_defs.decode.framing import Unframed

Values: TypeAlias = base.Array
Bare: TypeAlias = Any
"""A type as JSON, or None where polars cannot read it exactly."""

_MARK_SIZE: Final = 16
_LONGEST_DECIMAL: Final = 16
_BOTH: Final = 2
_BITS: Final = 0x7F
_MORE: Final = 0x80
_TRUE: Final = pa.scalar(b"\1", pa.large_binary())
_FALSE: Final = pa.scalar(b"\0", pa.large_binary())
_FAILURES: Final = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, IndexError)
"""What a bad payload makes of polars, and of the checks behind it."""


class Blocks:
    """Reads payloads of one record type, many at once.

    Args:
        node: The record.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._names = _Names()
        self._bare = [_bare(part, self._names) for part in node.parts]
        self.possible = None not in self._bare
        self._mark = secrets.token_bytes(_MARK_SIZE)
        self._sync = secrets.token_bytes(_MARK_SIZE)
        self._headers: dict[int, bytes] = {}
        self._branches = Branches(node) if self.possible else None

    def read(self, payloads: Sequence[bytes]) -> list[Values] | None:
        """Return the record's fields as arrays; None where the exact decoder must look.

        Args:
            payloads: At least one. The frame before one that is `Unframed` becomes a part of the mark before it.
        """
        if self._branches is None:
            return None
        if not isinstance(payloads, Unframed):
            sizes = np.fromiter(map(len, payloads), np.int64, len(payloads))
            payloads = Unframed(payloads, b"", sizes)
        sizes, frame = payloads.sizes + _MARK_SIZE, payloads.frame
        head = self._head(len(payloads), int(sizes.sum()), len(frame))
        file = self._mark.join([head + payloads[0], *payloads.framed[1:], frame + self._sync])
        try:
            *columns, marks = self._read(file)
            if len(marks) != len(payloads) or pc.unique(marks).to_pylist() != [self._mark + frame]:
                return None
            self._branches.check(file, np.cumsum(sizes) - sizes + len(head))
            return [_settled(part, column) for part, column in zip(self._node.parts, columns, strict=True)]
        except _FAILURES:
            return None

    def _read(self, file: bytes) -> list[Values]:
        table = pl.read_avro(io.BytesIO(file)).to_arrow(compat_level=pl.CompatLevel.oldest())
        return [_whole(column) for column in table.columns]

    def _head(self, count: int, size: int, frame_size: int) -> bytes:
        """Return what stands before a block's first payload: the file's header, and the block's."""
        if frame_size not in self._headers:
            mark = {"type": "fixed", "name": self._names.fresh(), "size": _MARK_SIZE + frame_size}
            self._headers[frame_size] = self._written_header(_bare_record([*self._bare, mark], self._names))
        return self._headers[frame_size] + _varint(count) + _varint(size)

    def _written_header(self, schema: Bare) -> bytes:
        text = json.dumps(schema).encode()
        entries = ((b"avro.codec", b"null"), (b"avro.schema", text))
        metadata = b"".join(_varint(len(part)) + part for entry in entries for part in entry)
        return b"Obj\x01" + _varint(len(entries)) + metadata + b"\0" + self._sync


class _Names:
    """Names for types: polars has no use for the writer's."""

    def __init__(self) -> None:
        self._next = count()

    def fresh(self) -> str:
        return f"t{next(self._next)}"


def _bare(node: Node, names: _Names) -> Bare:
    if node.cut:
        return None
    bare = _bare_inner(node, names)
    if node.union is None or bare is None:
        return bare
    if len(node.union.branches) != _BOTH:
        return None
    return ["null" if is_null(branch) else bare for branch in node.union.branches]


def _bare_inner(node: Node, names: _Names) -> Bare:
    bare: Bare = None
    match node.type:
        case Primitive(name="boolean"):
            bare = {"type": "fixed", "name": names.fresh(), "size": 1}
        case Enum() | Primitive(name="int"):
            bare = "long"
        case Primitive(name=name) if name != "null":
            bare = _bare_decimal(node, {"type": name})
        case Fixed(size=size) if size:
            bare = _bare_decimal(node, {"type": "fixed", "name": names.fresh(), "size": size})
        case Array():
            item = _bare(node.parts[0], names)
            bare = None if item is None else {"type": "array", "items": item}
        case Record():
            parts = [_bare(part, names) for part in node.parts]
            bare = _bare_record(parts, names) if parts and None not in parts else None
    return bare


def _bare_decimal(node: Node, bare: dict[str, Any]) -> Bare:
    logical = node.logical
    if logical is None or logical.name != "decimal":
        return bare
    if not pa.types.is_decimal(node.arrow) or bare.get("size", 0) > _LONGEST_DECIMAL:
        return None
    return {**bare, "logicalType": "decimal", "precision": logical.precision, "scale": logical.scale}


def _bare_record(parts: Sequence[Bare], names: _Names) -> Bare:
    fields = [{"name": f"f{position}", "type": part} for position, part in enumerate(parts)]
    return {"type": "record", "name": names.fresh(), "fields": fields}


def _settled(node: Node, values: Values) -> Values:
    """Return what polars read as an array of the node's type.

    Raises:
        ValueError: A value is none of the type's.
        IndexError: A symbol is none of the enum's.
    """
    match node.type:
        case Primitive(name="boolean"):
            return _booleans(values)
        case Enum(symbols=symbols):
            return pa.array(symbols, pa.string()).take(values)
        case Record():
            return _struct(node, values)
        case Array():
            return _list(node, values)
        case _:
            return _scalars(node, values)


def _booleans(values: Values) -> Values:
    true = pc.equal(values, _TRUE)
    if not pc.all(pc.or_(true, pc.equal(values, _FALSE)), min_count=0).as_py():
        raise ValueError
    return true


def _scalars(node: Node, values: Values) -> Values:
    if node.logical is not None and node.logical.name == "decimal":
        ends: Any = pc.min_max(values)
        most = 10**node.logical.precision
        low, high = (ends[end].as_py() for end in ("min", "max"))
        if (
            low is not None
            and not -most < low.scaleb(node.logical.scale) <= high.scaleb(node.logical.scale) < most
        ):
            raise ValueError
    return values if values.type == node.arrow else values.cast(node.arrow)


def _struct(node: Node, values: Any) -> Values:
    parts = [_settled(part, child) for part, child in zip(node.parts, values.flatten(), strict=True)]
    mask = values.is_null() if values.null_count else None
    return pa.StructArray.from_arrays(parts, fields=list(node.arrow), mask=mask)  # type: ignore[call-overload]


def _list(node: Node, values: Any) -> Values:
    lists: Any = pa.ListArray
    mask = values.is_null() if values.null_count else None
    items = _settled(node.parts[0], values.flatten())
    found: Values = lists.from_arrays(base.list_offsets(values), items, type=node.arrow, mask=mask)
    return found


def _whole(column: Any) -> Values:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _varint(number: int) -> bytes:
    number <<= 1
    found = bytearray()
    while number > _BITS:
        found.append((number & _BITS) | _MORE)
        number >>= 7
    found.append(number)
    return bytes(found)
