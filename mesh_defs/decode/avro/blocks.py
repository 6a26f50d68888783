"""The fast decoder: many payloads of one record type in step, a field of all of them after the other.

Whatever it doubts is left to the exact decoder, record by record; so is what that one reads faster.

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
from mesh_defs.decode.avro.vectors import DoubtError, Numbers, Read, numbers, scalar
from mesh_defs.decode.block import Block, Positions
from mesh_defs.decode.columns import base
from mesh_defs.decode.framing import Unframed

_Fields: TypeAlias = Callable[[Block, Positions], tuple[list[base.Array], Positions]]

_FEW: Final = 48
"""So few payloads the exact decoder reads faster than the fast one takes its steps."""

_DEEPEST: Final = 16
"""Types inside of each other; the exact decoder goes deeper, and refuses what is too deep."""

_MOST_BRANCHES: Final = 64
"""A branch beyond takes more bytes than one."""

_MOST_ELEMENTS: Final = 1_000
"""Of one array; of elements that take no bytes the exact decoder allows no more than 65,536."""

_FEWEST_STEPS: Final = 128
_BYTES_A_STEP: Final = 256
"""A step through the elements of arrays takes as long as the exact decoder needs for some hundred bytes."""


class Blocks:
    """Reads payloads of one record type, many at once.

    Args:
        node: The record.

    Attributes:
        possible: Whether it reads this type at all.
        few: How many payloads are not worth it: more where unions divide them.
    """

    def __init__(self, node: Node) -> None:
        self._steps = _Steps()
        self._fields = _Readers(self._steps).fields(node.parts, 1)
        self.possible = self._fields is not None
        self.few = _FEW * _alternatives(node)

    def read(self, payloads: Sequence[bytes]) -> list[base.Array] | None:
        """Return the record's fields as arrays; None where the exact decoder must look.

        Args:
            payloads: At least one.
        """
        if self._fields is None:
            return None
        block = payloads.block if isinstance(payloads, Unframed) else Block(payloads)
        self._steps.allow(int(block.ends[-1] - block.begins[0]))
        try:
            fields, ends = self._fields(block, block.begins)
        except (DoubtError, IndexError, pa.ArrowInvalid):
            return None
        return fields if np.array_equal(ends, block.ends) else None


class _Steps:
    """How many more steps through the elements of arrays a read may take, each for one type of an element."""

    def __init__(self) -> None:
        self._left = 0

    def allow(self, size: int) -> None:
        """Begin a read of so many bytes."""
        self._left = _FEWEST_STEPS + size // _BYTES_A_STEP

    def take(self, count: int) -> None:
        """Take steps.

        Raises:
            DoubtError: It takes so many that the exact decoder is faster.
        """
        self._left -= count
        if self._left < 0:
            raise DoubtError


class _Readers:
    """Puts the readers of one record type together; each is None where only the exact decoder reads the type."""

    def __init__(self, steps: _Steps) -> None:
        self._steps = steps

    def fields(self, parts: Sequence[Node], depth: int) -> _Fields | None:
        readers = [reader for part in parts if (reader := self.of(part, depth)) is not None]
        if not readers or len(readers) < len(parts):
            return None

        def read(block: Block, at: Positions) -> tuple[list[base.Array], Positions]:
            columns = []
            for reader in readers:
                column, at = reader(block, at)
                columns.append(column)
            return columns, at

        return read

    def of(self, node: Node, depth: int) -> Read | None:
        if node.cut or depth > _DEEPEST:
            return None
        if node.union is not None:
            return self._union(node, node.union, depth)
        match node.type:
            case Record():
                return self._record(node.parts, node.arrow, depth)
            case Array():
                return self._array(node.parts[0], node.arrow, depth)
            case Map():
                return self._map(node.parts[0], node.arrow, depth)
            case _:
                return scalar(node)

    def _record(self, parts: Sequence[Node], arrow: pa.DataType, depth: int) -> Read | None:
        fields = self.fields(parts, depth + 1)
        if fields is None:
            return None

        def read(block: Block, at: Positions) -> tuple[base.Array, Positions]:
            columns, at = fields(block, at)
            return _struct(columns, arrow), at

        return read

    def _union(self, node: Node, union: Union, depth: int) -> Read | None:
        """Return what reads a union: one branch beside null as that one's values, several as a struct of them."""
        several = isinstance(node.type, Union)
        inner = node.parts if several else (replace(node, union=None),)
        members = [part for part in inner if not is_null(part.type)]
        inside = depth + 1 if several else depth
        readers = [reader for part in members if (reader := self.of(part, inside)) is not None]
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

    def _array(self, item: Node, arrow: pa.DataType, depth: int) -> Read | None:
        reader = self.of(item, depth + 1)
        return None if reader is None else self._list(reader, _weight(item), arrow)

    def _list(self, item: Read, weight: int, arrow: Any) -> Read:
        def read(block: Block, at: Positions) -> tuple[base.Array, Positions]:
            pieces, rows, counts, at = self._elements(item, weight, block, at)
            offsets = np.zeros(len(counts) + 1, np.int32)
            np.cumsum(counts, out=offsets[1:])
            items = pa.array([], arrow.value_type)
            if pieces:
                order: Any = pa.array(np.argsort(np.concatenate(rows), kind="stable"))
                items = pa.concat_arrays(pieces).take(order)
            lists: Any = pa.ListArray
            found: base.Array = lists.from_arrays(pa.array(offsets), items, type=arrow)
            return found, at

        return read

    def _elements(
        self, item: Read, weight: int, block: Block, at: Positions
    ) -> tuple[list[base.Array], list[Positions], Numbers, Positions]:
        """Return the first elements of all arrays, the second ones and so on, each with the arrays that it is of.

        Returns:
            The elements; for each of them the place of its array; how many each array has; where the arrays end.
        """
        at = at.copy()
        counts = np.zeros(len(at), np.int64)
        pieces: list[base.Array] = []
        rows: list[Positions] = []
        unfinished = np.arange(len(at))
        while len(unfinished):
            count, at[unfinished] = _count(block, at[unfinished])
            counts[unfinished] += count
            unfinished, count = unfinished[count > 0], count[count > 0]
            most = int(count.max(initial=0))
            if counts.max() > _MOST_ELEMENTS:
                raise DoubtError
            self._steps.take(1 + most * weight)
            for passed in range(most):
                more = unfinished[count > passed]
                values, at[more] = item(block, at[more])
                pieces.append(values)
                rows.append(more)
        return pieces, rows, counts, at

    def _map(self, value: Node, arrow: Any, depth: int) -> Read | None:
        """Return what reads maps; of equal keys in one the last wins, which is left to the exact decoder."""
        key = Node(type=Primitive(name="string"), arrow=pa.string())
        entry = self._record((key, value), arrow.value_type, depth)
        if entry is None:
            return None
        entries = self._list(entry, 1 + _weight(value), arrow)

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


def _count(block: Block, at: Positions) -> tuple[Numbers, Positions]:
    """Return how many elements the next blocks of arrays have; a negative number tells the block's size as well."""
    count, at = numbers(block, at)
    sized = np.flatnonzero(count < 0)
    if len(sized):
        at[sized] = numbers(block, at[sized])[1]
        count = np.abs(count)
    if ((count < 0) | (count > len(block.octets))).any():
        raise DoubtError
    return count, at


def _where(there: Any, reader: Read, block: Block, at: Positions) -> base.Array:
    """Read a branch where it is chosen, and move these positions on; elsewhere is null."""
    if there.all():
        values, at[:] = reader(block, at)
        return values
    chosen = np.flatnonzero(there)
    values, at[chosen] = reader(block, at[chosen])
    places: Any = pa.array(np.cumsum(there) - 1, mask=~there)
    return values.take(places)


def _struct(columns: list[base.Array], arrow: Any, missing: base.Array | None = None) -> base.Array:
    structs: Any = pa.StructArray
    found: base.Array = structs.from_arrays(columns, fields=list(arrow), mask=missing)
    return found


def _weight(node: Node) -> int:
    """Return how many types a value is made of."""
    return 1 + sum(map(_weight, node.parts))


def _alternatives(node: Node) -> int:
    """Return among how many branches of unions, of which each value has one, payloads may be divided."""
    own = len(node.parts) if isinstance(node.type, Union) else 1
    return own * max(map(_alternatives, node.parts), default=1)
