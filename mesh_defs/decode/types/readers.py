"""Where a record says its type: in the envelope, in a header, or in a field of its payload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import methodcaller
from typing import Final, Protocol, cast

from mesh_defs.contract.choices import TypeSource
from mesh_defs.contract.contract import EventTypeFrom
from mesh_defs.decode.envelope.opened import Opened
from mesh_defs.decode.refusal import Refusal
from mesh_defs.model.records import Headers, Stage

ENVELOPE_HEADER: Final = "ce_type"
"""What both modes of CloudEvents keep the attribute `type` in."""

RULE: Final = "event_type"


@dataclass(slots=True, kw_only=True)
class Told:
    """What many records say of their types.

    Attributes:
        types: One element a record: UTF-8 bytes or text, or None where it says none.
        refused: Records whose type cannot be told, by position.
    """

    types: list[bytes | str | None]
    refused: dict[int, Refusal] = field(default_factory=dict)


class FieldReader(Protocol):
    """Reads one field of payloads."""

    def read(self, values: Sequence[bytes], headers: Sequence[Headers | None]) -> Told:
        """Return what the field says in each payload.

        Raises:
            RegistryError: The writers' schemas cannot be had.
        """
        ...


class TypeReader(Protocol):
    """One place where records say their types."""

    def read(self, opened: Opened) -> Told:
        """Return what each record says; of one that the envelope refuses anything may stand there.

        Raises:
            RegistryError: The writers' schemas cannot be had.
        """
        ...


def reader_for(source: EventTypeFrom, fields: FieldReader) -> TypeReader:
    """Return the reader of a place.

    Args:
        source: The place.
        fields: Reads the field that it names.
    """
    match source.source:
        case TypeSource.ENVELOPE:
            return EnvelopeType()
        case TypeSource.HEADER:
            return HeaderType(source.name)
        case TypeSource.EITHER:
            return EitherType(HeaderType(source.name), PayloadType(fields))
        case _:
            return PayloadType(fields)


class HeaderType:
    """The type stands in a header; of a tombstone too.

    Args:
        name: The header's, exactly.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def read(self, opened: Opened) -> Told:
        """Return the header's value of each record."""
        given = opened.headers if all(opened.headers) else [headers or () for headers in opened.headers]
        tables = list(map(dict, cast("Sequence[Headers]", given)))
        # Without repeats a record's headers are a table, which is looked up at once.
        if sum(map(len, tables)) == sum(map(len, cast("Sequence[Headers]", given))):
            return Told(types=list(map(methodcaller("get", self._name), tables)))
        return self._read_each(opened)

    def _read_each(self, opened: Opened) -> Told:
        told = Told(types=[])
        for index, headers in enumerate(opened.headers):
            found = [content for name, content in headers if name == self._name] if headers else ()
            told.types.append(found[0] if found else None)
            if len(found) > 1 and len(set(found)) > 1:
                message = f"the header {self._name} stands several times and says different types"
                told.refused[index] = Refusal(RULE, message, stage=Stage.ENVELOPE)
        return told


class EnvelopeType:
    """The type is an attribute of the CloudEvent; of a tombstone, whose headers are no event's, the header."""

    def __init__(self) -> None:
        self._header = HeaderType(ENVELOPE_HEADER)

    def read(self, opened: Opened) -> Told:
        """Return the attribute of each record."""
        return self._header.read(opened) if opened.types is None else Told(types=list(opened.types))


class PayloadType:
    """The type stands in a field of the payload; a tombstone has none.

    Args:
        fields: Reads the field.
    """

    def __init__(self, fields: FieldReader) -> None:
        self._fields = fields

    def read(self, opened: Opened) -> Told:
        """Return the field's value of each record."""
        return self.read_some(opened, [i for i in range(len(opened.payloads)) if i not in opened.refused])

    def read_some(self, opened: Opened, positions: Sequence[int]) -> Told:
        """Return the field's value of the records at these positions, None for all others."""
        told = Told(types=[None] * len(opened.payloads))
        filled = [(i, value) for i in positions if (value := opened.payloads[i]) is not None]
        found = self._fields.read([value for _, value in filled], [opened.headers[i] for i, _ in filled])
        for (position, _), said in zip(filled, found.types, strict=True):
            told.types[position] = said
        told.refused = {filled[i][0]: refusal for i, refusal in found.refused.items()}
        return told


class EitherType:
    """The header says the type, and where a record has no such header the field of that name.

    Args:
        header: Reads the header.
        payload: Reads the field.
    """

    def __init__(self, header: HeaderType, payload: PayloadType) -> None:
        self._header = header
        self._payload = payload

    def read(self, opened: Opened) -> Told:
        """Return what each record says."""
        told = self._header.read(opened)
        silent = [i for i, said in enumerate(told.types) if said is None and i not in opened.refused]
        if silent:
            found = self._payload.read_some(opened, silent)
            told.types = [
                own if own is not None else other for own, other in zip(told.types, found.types, strict=True)
            ]
            told.refused |= found.refused
        return told
