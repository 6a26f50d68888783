"""Which schema can read what another one wrote: "Schema Resolution" of the Avro specification (version 1.12)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mesh_defs.contract.avro.types import (
    Array,
    AvroSchema,
    AvroType,
    Enum,
    Field,
    Fixed,
    Logical,
    Map,
    Named,
    Primitive,
    Record,
    Union,
    name_of,
    simple_name,
)

_PROMOTIONS: Final = frozenset(
    [
        ("int", "long"),
        ("int", "float"),
        ("int", "double"),
        ("long", "float"),
        ("long", "double"),
        ("float", "double"),
        ("string", "bytes"),
        ("bytes", "string"),
    ]
)
"""What a writer's primitive type may be read as."""


def why_unreadable(*, reader: AvroSchema, writer: AvroSchema) -> tuple[str, ...]:
    """Return why a reader cannot take everything that a writer may have written; empty where it can.

    Args:
        reader: The schema that values are wanted in.
        writer: The schema that they were written in.

    Returns:
        A sentence for each place, with the place first: `$.total: the writer's string is no int`.
    """
    return tuple(dict.fromkeys(_Resolution(reader, writer).misfits(reader.root, writer.root, "$")))


class _Resolution:
    """One pair of schemas, in the comparing."""

    def __init__(self, reader: AvroSchema, writer: AvroSchema) -> None:
        self._reader = reader
        self._writer = writer
        self._open: set[tuple[str, str]] = set()

    def misfits(self, reader: AvroType, writer: AvroType, where: str) -> Iterator[str]:
        """Yield what keeps one type from reading another."""
        wanted, written = self._reader.resolved(reader), self._writer.resolved(writer)
        if isinstance(written, Union):
            for branch in written.branches:
                yield from self.misfits(wanted, branch, where)
        elif isinstance(wanted, Union):
            if not any(self._fits(branch, written) for branch in wanted.branches):
                yield f"{where}: none of the reader's {_named(wanted)} takes the writer's {name_of(written)}"
        else:
            yield from self._plain(wanted, written, where)

    def _fits(self, reader: AvroType, writer: AvroType) -> bool:
        # To its end: a comparison that is broken off would stay open, and hide what differs elsewhere.
        return not list(self.misfits(reader, writer, ""))

    def _plain(self, reader: AvroType, writer: AvroType, where: str) -> Iterator[str]:
        match reader, writer:
            case Primitive(), Primitive():
                yield from _primitives(reader, writer, where)
            case Array(), Array():
                yield from self.misfits(reader.items, writer.items, f"{where}[]")
            case Map(), Map():
                yield from self.misfits(reader.values, writer.values, f"{where}{{}}")
            case Record() | Enum() | Fixed(), Record() | Enum() | Fixed():
                yield from self._names(reader, writer, where)
            case _:
                yield _differ(reader, writer, where)

    def _names(self, reader: Named, writer: Named, where: str) -> Iterator[str]:
        named = simple_name(reader.name) == simple_name(writer.name) or writer.name in reader.aliases
        match reader, writer:
            case (Record(), Record()) | (Enum(), Enum()) | (Fixed(), Fixed()) if not named:
                yield f"{where}: the writer's {writer.name} has another name than the reader's {reader.name}"
            case Enum(), Enum():
                yield from _enums(reader, writer, where)
            case Fixed(), Fixed():
                yield from _fixed(reader, writer, where)
            case Record(), Record():
                yield from self._records(reader, writer, where)
            case _:
                yield _differ(reader, writer, where)

    def _records(self, reader: Record, writer: Record, where: str) -> Iterator[str]:
        pair = (reader.name, writer.name)
        if pair in self._open:
            return
        self._open.add(pair)
        written = {field.name: field for field in writer.fields}
        for field in reader.fields:
            found = _counterpart(field, written)
            place = f"{where}.{field.name}"
            if found is not None:
                yield from self.misfits(field.type, found.type, place)
            elif not field.has_default:
                yield f"{place}: the writer does not know this field, and it has no default"
        self._open.discard(pair)


def _counterpart(field: Field, written: dict[str, Field]) -> Field | None:
    names = (field.name, *sorted(field.aliases))
    return next((written[name] for name in names if name in written), None)


def _primitives(reader: Primitive, writer: Primitive, where: str) -> Iterator[str]:
    if reader.name != writer.name and (writer.name, reader.name) not in _PROMOTIONS:
        yield _differ(reader, writer, where)
    else:
        yield from _decimals(reader.logical, writer.logical, where)


def _enums(reader: Enum, writer: Enum, where: str) -> Iterator[str]:
    unknown = [symbol for symbol in writer.symbols if symbol not in reader.symbols]
    if unknown and reader.default is None:
        yield f"{where}: the reader's enum lacks {', '.join(unknown)}, and has no default"


def _fixed(reader: Fixed, writer: Fixed, where: str) -> Iterator[str]:
    if reader.size != writer.size:
        yield f"{where}: the writer's {writer.size} bytes are not the reader's {reader.size}"
    yield from _decimals(reader.logical, writer.logical, where)


def _decimals(reader: Logical | None, writer: Logical | None, where: str) -> Iterator[str]:
    """Yield two decimals of other sizes: their bytes would be read as another number."""
    if reader is None or writer is None or {reader.name, writer.name} != {"decimal"}:
        return
    if (reader.precision, reader.scale) != (writer.precision, writer.scale):
        sizes = f"({writer.precision},{writer.scale}) is not the reader's ({reader.precision},{reader.scale})"
        yield f"{where}: the writer's decimal{sizes}"


def _differ(reader: AvroType, writer: AvroType, where: str) -> str:
    return f"{where}: the writer's {name_of(writer)} is no {name_of(reader)}"


def _named(union: Union) -> str:
    return "[" + ", ".join(map(name_of, union.branches)) + "]"
