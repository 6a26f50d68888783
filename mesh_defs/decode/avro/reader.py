"""The exact decoder: one payload to Python values, strictly by the specification, whatever the schema.

Source: Apache Avro 1.12 specification, "Binary encoding". Values are those of `Node.arrow`, as
`pyarrow.Array.to_pylist` would give them.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Final

from mesh_defs.contract.avro.types import (
    Array,
    AvroSchema,
    AvroType,
    Enum,
    Fixed,
    Map,
    Record,
    Reference,
    Union,
    name_of,
)
from mesh_defs.decode.avro.nodes import is_null
from mesh_defs.decode.avro.text import Texts
from mesh_defs.decode.avro.wire import Read, enum_reader, malformed, read_long, read_string, scalar_reader
from mesh_defs.decode.refusal import Refusal
from mesh_defs.model.records import Stage

MAX_DEPTH: Final = 128
"""Records in each other; a fixed limit, because the interpreter's own depends on who calls."""

MAX_WEIGHTLESS: Final = 65_536
"""Elements that take no bytes: a payload of ten bytes could announce any number of them."""


class Reader:
    """Reads payloads of one writer's schema.

    Args:
        schema: Knows the names.
        record: The type of the payloads.
    """

    def __init__(self, schema: AvroSchema, record: Record) -> None:
        self._read = _Readers(schema).of(record, ())

    def read(self, payload: bytes) -> dict[str, Any]:
        """Return the record that is the payload, to its last byte.

        Raises:
            Refusal: It is none.
        """
        try:
            value, end = self._read(payload, 0, 0)
        except RecursionError:
            raise _too_deep() from None
        except Refusal as refusal:
            raise (_too_deep() if refusal.rule == "depth" else refusal) from None
        if end < len(payload):
            raise malformed(f"{len(payload) - end} bytes are left over behind the record")
        record: dict[str, Any] = value
        return record


def read_branch(payload: bytes, branches: Container[int | None]) -> tuple[int, bytes]:
    """Return which branch of a union a payload is of, and the rest of it.

    Raises:
        Refusal: It ends before that, or is of none of the branches.
    """
    branch, at = read_long(payload, 0)
    if branch not in branches:
        raise malformed("the union has no such branch of records")
    return branch, payload[at:]


class _Readers:
    """The readers of one schema.

    A type that contains itself has two: one that makes JSON text of the inner value, for `Node.cut`, and the
    one of that value, which goes as deep as the value does.
    """

    def __init__(self, schema: AvroSchema) -> None:
        self._schema = schema
        self._texts = Texts(schema)
        self._endless: dict[str, Read] = {}

    def of(self, type_: AvroType, above: tuple[str, ...] | None) -> Read:
        """Return the reader of a type.

        Args:
            type_: The type.
            above: The records around it; None inside of a value that becomes JSON text.
        """
        if isinstance(type_, Reference):
            if above is None:
                return self._endless_of(type_.name)
            if type_.name in above:
                return self._cut(type_)
        whole = self._schema.resolved(type_)
        match whole:
            case Union():
                read = self._union(whole, above)
            case Record():
                inside = None if above is None else (*above, whole.name)
                names = tuple(field.name for field in whole.fields)
                read = _record(names, tuple(self.of(field.type, inside) for field in whole.fields))
            case Array():
                read = _array(self.of(whole.items, above), weightless=self._weightless(whole.items))
            case Map():
                read = _map(self.of(whole.values, above))
            case Enum():
                read = enum_reader(whole.symbols)
            case _:
                read = scalar_reader(whole)
        return read

    def _endless_of(self, name: str) -> Read:
        if name not in self._endless:

            def read(data: bytes, at: int, depth: int) -> tuple[Any, int]:
                return found(data, at, depth)

            # Filled in before its own parts ask for it.
            self._endless[name] = read
            found = self.of(self._schema.names[name], None)
            self._endless[name] = found
        return self._endless[name]

    def _cut(self, type_: Reference) -> Read:
        endless = self._endless_of(type_.name)
        text = self._texts.of(type_, None)

        def read(data: bytes, at: int, depth: int) -> tuple[Any, int]:
            value, at = endless(data, at, depth)
            return text.dumped(value), at

        return read

    def _union(self, union: Union, above: tuple[str, ...] | None) -> Read:
        others = [branch for branch in union.branches if not is_null(branch)]
        single = len(others) == 1
        branches = [
            None if is_null(b) else (None if single else name_of(b), self.of(b, above))
            for b in union.branches
        ]

        def read(data: bytes, at: int, depth: int) -> tuple[Any, int]:
            index, at = read_long(data, at)
            if not 0 <= index < len(branches):
                raise malformed("the union has no such branch")
            branch = branches[index]
            if branch is None:
                return None, at
            name, inner = branch
            value, at = inner(data, at, depth)
            return (value if name is None else {name: value}), at

        return read

    def _weightless(self, type_: AvroType, seen: frozenset[str] = frozenset()) -> bool:
        """Return whether values of a type may take no bytes at all."""
        found = self._schema.resolved(type_)
        if isinstance(found, Record):
            if found.name in seen:
                # Whatever else it holds decides.
                return True
            return all(self._weightless(field.type, seen | {found.name}) for field in found.fields)
        return is_null(found) or (isinstance(found, Fixed) and not found.size)


def _array(item: Read, *, weightless: bool) -> Read:
    def read(data: bytes, at: int, depth: int) -> tuple[list[Any], int]:
        items: list[Any] = []
        while True:
            count, at = read_long(data, at)
            if count == 0:
                return items, at
            if count < 0:
                count = -count
                # The size of the block in bytes is for readers that skip it.
                _, at = read_long(data, at)
            if count > (MAX_WEIGHTLESS - len(items) if weightless else len(data) - at):
                raise malformed("an array or a map has more elements than bytes")
            for _ in range(count):
                try:
                    value, at = item(data, at, depth)
                except Refusal as refusal:
                    raise refusal.within(f"[{len(items)}]") from None
                items.append(value)

    return read


def _map(value: Read) -> Read:
    def entry(data: bytes, at: int, depth: int) -> tuple[dict[str, Any], int]:
        key, at = read_string(data, at, depth)
        found, at = value(data, at, depth)
        return {"key": key, "value": found}, at

    entries = _array(entry, weightless=False)

    def read(data: bytes, at: int, depth: int) -> tuple[list[Any], int]:
        try:
            found, at = entries(data, at, depth)
        except Refusal as refusal:
            # A key is data, hence no part of the path; nor is an entry's place.
            raise Refusal(refusal.rule, refusal.message, "[...]", refusal.stage) from None
        # Of equal keys the last one wins, as in JSON.
        return list({entry["key"]: entry for entry in found}.values()), at

    return read


def _record(names: tuple[str, ...], readers: tuple[Read, ...]) -> Read:
    def read(data: bytes, at: int, depth: int) -> tuple[dict[str, Any], int]:
        if depth >= MAX_DEPTH:
            raise _too_deep()
        values: list[Any] = []
        try:
            for reader in readers:
                value, at = reader(data, at, depth + 1)
                values.append(value)
        except Refusal as refusal:
            raise refusal.within(f".{names[len(values)]}") from None
        return dict(zip(names, values, strict=True)), at

    return read


def _too_deep() -> Refusal:
    return Refusal("depth", f"records are nested deeper than {MAX_DEPTH} levels", stage=Stage.DECODE)
