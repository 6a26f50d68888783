"""The fast decoder: many payloads of one record type in step, a field of all of them after the other.

Whatever it doubts is left to the exact decoder, record by record.

Source: Apache Avro 1.12 specification, "Binary encoding".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mesh_defs.contract.avro.types import Array, Map, Primitive, Record, Union
from mesh_defs.decode.avro.nodes import Node, is_null
from mesh_defs.decode.avro.vectors import DoubtError, Numbers, Read, lengths, scalar
from mesh_defs.decode.block import Block, Positions
from mesh_defs.decode.columns import base
from mesh_defs.decode.framing import Unframed

_Fields: TypeAlias = Callable[[Block, Positions], tuple[list[base.Array], Positions]]

_MOST_BRANCHES: Final = 64
"""A branch beyond takes more bytes than one."""

_MOST_STEPS: Final = 1_000
"""Of longer arrays the exact decoder is as fast: elements are passed one after another."""


class Blocks:
    """Reads payloads of one record type, many at once.

    Args:
        node: The record.
    """

    def __init__(self, node: Node) -> None:
        self._fields = _fields(node.parts)
        self.possible = self._fields is not None

    def read(self, payloads: Sequence[bytes]) -> list[base.Array] | None:
        """Return the record's fields as arrays; None where the exact decoder must look.

        Args:
            payloads: At least one.
        """
        if self._fields is None:
            return None
        block = payloads.block if isinstance(payloads, Unframed) else Block(payloads)
        try:
            fields, ends = self._fields(block, block.begins)
        except (DoubtError, IndexError, pa.ArrowInvalid):
            return None
        return fields if np.array_equal(ends, block.ends) else None


def _reader(node: Node) -> Read | None:
    """Return what reads a type; None where only the exact decoder does."""
    if node.cut:
        return None
    if node.union is not None:
        return _union(node, node.union)
    match node.type:
        case Record():
            return _record(node.parts, node.arrow)
        case Array():
            return _array(_reader(node.parts[0]), node.arrow)
        case Map():
            key = Node(type=Primitive(name="string"), arrow=pa.string())
            entries: Any = node.arrow
            return _map(_array(_record((key, *node.parts), entries.value_type), entries))
        case _:
            return scalar(node)


def _fields(parts: Sequence[Node]) -> _Fields | None:
    readers = [reader for part in parts if (reader := _reader(part)) is not None]
    if not readers or len(readers) < len(parts):
        return None

    def read(block: Block, at: Positions) -> tuple[list[base.Array], Positions]:
        columns = []
        for reader in readers:
            column, at = reader(block, at)
            columns.append(column)
        return columns, at

    return read


def _record(parts: Sequence[Node], arrow: pa.DataType) -> Read | None:
    fields = _fields(parts)
    if fields is None:
        return None

    def read(block: Block, at: Positions) -> tuple[base.Array, Positions]:
        columns, at = fields(block, at)
        return _struct(columns, arrow), at

    return read


def _struct(columns: list[base.Array], arrow: Any, missing: base.Array | None = None) -> base.Array:
    structs: Any = pa.StructArray
    found: base.Array = structs.from_arrays(columns, fields=list(arrow), mask=missing)
    return found


def _union(node: Node, union: Union) -> Read | None:
    """Return what reads a union: null and one other branch as that one's values, several as a struct of them."""
    several = isinstance(node.type, Union)
    members = [
        part for part in (node.parts if several else (replace(node, union=None),)) if not is_null(part.type)
    ]
    readers = [reader for part in members if (reader := _reader(part)) is not None]
    if len(readers) < len(members) or len(union.branches) > _MOST_BRANCHES:
        return None
    null = next((2 * place for place, branch in enumerate(union.branches) if is_null(branch)), None)
    places = [2 * place for place, branch in enumerate(union.branches) if not is_null(branch)]

    def read(block: Block, at: Positions) -> tuple[base.Array, Positions]:
        index = block.octets[at]
        missing = np.zeros(len(at), np.bool_) if null is None else index == null
        at = at + 1
        known = int(missing.sum())
        columns = []
        for place, reader in zip(places, readers, strict=True):
            there = index == place
            known += int(there.sum())
            columns.append(_where(there, reader, block, at))
        if known < len(at):
            raise DoubtError
        if several:
            return _struct(columns, node.arrow, pa.array(missing)), at
        return columns[0] if columns else pa.nulls(len(at)), at

    return read


def _where(there: Any, reader: Read, block: Block, at: Positions) -> base.Array:
    """Read a branch where it is chosen, and move these positions on; elsewhere is null."""
    if there.all():
        values, at[:] = reader(block, at)
        return values
    chosen = np.flatnonzero(there)
    values, at[chosen] = reader(block, at[chosen])
    places: Any = pa.array(np.cumsum(there) - 1, mask=~there)
    return values.take(places)


def _array(item: Read | None, arrow: pa.DataType) -> Read | None:
    if item is None:
        return None

    def read(block: Block, at: Positions) -> tuple[base.Array, Positions]:
        items, counts, at = _items(item, block, at)
        offsets = np.zeros(len(counts) + 1, np.int32)
        np.cumsum(counts, out=offsets[1:])
        lists: Any = pa.ListArray
        found: base.Array = lists.from_arrays(pa.array(offsets), items, type=arrow)
        return found, at

    return read


def _items(item: Read, block: Block, at: Positions) -> tuple[base.Array, Numbers, Positions]:
    """Return the items of arrays, one array's after the other's, how many each has, and where the arrays end."""
    at = at.copy()
    counts = np.zeros(len(at), np.int64)
    pieces = [item(block, at[:0])[0]]
    rows = [np.arange(0)]
    unfinished = np.arange(len(at))
    while len(unfinished):
        count, at[unfinished] = lengths(block, at[unfinished])
        counts[unfinished] += count
        unfinished, count = unfinished[count > 0], count[count > 0]
        most = int(count.max(initial=0))
        if len(pieces) + most > _MOST_STEPS + 1:
            raise DoubtError
        for passed in range(most):
            more = unfinished[count > passed]
            values, at[more] = item(block, at[more])
            pieces.append(values)
            rows.append(more)
    order: Any = pa.array(np.argsort(np.concatenate(rows), kind="stable"))
    return pa.concat_arrays(pieces).take(order), counts, at


def _map(entries: Read | None) -> Read | None:
    """Return what reads maps; of equal keys in one the last wins, which is left to the exact decoder."""
    if entries is None:
        return None

    def read(block: Block, at: Positions) -> tuple[base.Array, Positions]:
        maps, at = entries(block, at)
        owners: Any = pc.list_parent_indices(maps)
        items: Any = pc.list_flatten(maps)
        keys = items.field(0).dictionary_encode()
        pairs = owners.to_numpy() * max(len(keys.dictionary), 1) + keys.indices.to_numpy()
        if len(np.unique(pairs)) < len(pairs):
            raise DoubtError
        return maps, at

    return read
