"""Objects, arrays, maps, and objects that are kept as JSON text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Any

import msgspec
import pyarrow as pa

from mesh_defs.contract.types import ColumnType, Kind
from mesh_defs.decode import exact
from mesh_defs.decode.columns.base import Array, Check, Converter, scattered
from mesh_defs.decode.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Field:
    """A named member of an object."""

    name: str
    converter: Converter


class _Nested(Converter):
    """A type whose values hold others: their refusals tell a path."""

    def _convert(self, values: Sequence[Any]) -> Array:
        present = [v for v in values if v is not None]
        return scattered(self._dense(present), values)

    def _dense(self, values: Sequence[Any]) -> Array:
        """Return the array of values none of which is None."""
        raise NotImplementedError

    def _misfit(self) -> Refusal:
        return Refusal("type", "the value does not fit the column")

    def refusal(self, value: Any) -> Refusal | None:
        """Return why a value is refused, and where inside it; None where it is not."""
        inner = None if value is None else self._inner(value)
        return inner or super().refusal(value)

    def _inner(self, value: Any) -> Refusal | None:
        """Return what is wrong inside a value that is not None."""
        raise NotImplementedError


class Object(_Nested):
    """Objects with named fields: structs, decoded as `msgspec.Struct` with its fields in this order."""

    def __init__(
        self, type_: ColumnType, fields: tuple[Field, ...], *, required: bool, checks: tuple[Check, ...]
    ) -> None:
        super().__init__(type_, required=required, checks=checks)
        self._fields = fields
        self._members = [pa.field(f.name, f.converter.arrow) for f in fields]

    def _dense(self, values: Sequence[Any]) -> Array:
        columns = list(zip(*map(msgspec.structs.astuple, values), strict=True)) or [()] * len(self._fields)
        arrays = [field.converter.array(column) for field, column in zip(self._fields, columns, strict=True)]
        return pa.StructArray.from_arrays(arrays, fields=self._members)

    def _inner(self, value: Any) -> Refusal | None:
        for field, member in zip(self._fields, msgspec.structs.astuple(value), strict=True):
            refusal = field.converter.refusal(member)
            if refusal is not None:
                return refusal.within(f".{field.name}")
        return None


class List(_Nested):
    """Arrays: lists of one type."""

    def __init__(
        self, type_: ColumnType, item: Converter, *, required: bool, checks: tuple[Check, ...]
    ) -> None:
        super().__init__(type_, required=required, checks=checks)
        self._item = item

    def _dense(self, values: Sequence[Any]) -> Array:
        items = self._item.array(list(chain.from_iterable(values)))
        list_array: Any = pa.ListArray
        found: Array = list_array.from_arrays(_offsets(values), items, type=self.arrow)
        return found

    def _inner(self, value: Any) -> Refusal | None:
        for position, refusal in sorted(self._item.refused(value).items()):
            return refusal.within(f"[{position}]")
        return None


class Map(_Nested):
    """Maps: JSON objects whose keys are data, decoded as dicts."""

    def __init__(
        self,
        type_: ColumnType,
        key: Converter,
        value: Converter,
        *,
        required: bool,
        checks: tuple[Check, ...],
    ) -> None:
        super().__init__(type_, required=required, checks=checks)
        self._key = key
        self._value = value
        self._case_blind = type_.key is not None and type_.key.kind is Kind.UUID

    def _dense(self, values: Sequence[Any]) -> Array:
        keys = self._key.array(list(chain.from_iterable(values)))
        items = self._value.array(list(chain.from_iterable(v.values() for v in values)))
        if self._case_blind and any(len({key.lower() for key in v}) < len(v) for v in values):
            raise Refusal("duplicate_key", "two keys of the map are the same UUID")
        map_array: Any = pa.MapArray
        found: Array = map_array.from_arrays(_offsets(values), keys, items, type=self.arrow)
        return found

    def _inner(self, value: Any) -> Refusal | None:
        # A key is data, hence no part of the path.
        for converter, members in ((self._key, list(value)), (self._value, list(value.values()))):
            for refusal in converter.refused(members).values():
                return refusal.within("[...]")
        return None


class Json(Converter):
    """Objects without declared fields: kept as compact JSON text, with exact numbers."""

    def _convert(self, values: Sequence[Any]) -> Array:
        return pa.array([None if v is None else _text(v) for v in values], pa.string())

    def _comparable(self, values: Sequence[Any], array: Array) -> Sequence[Any]:
        del values
        return [exact.document(str(text).encode()) for text in array.drop_null().to_pylist()]

    def _misfit(self) -> Refusal:
        return Refusal("json_syntax", "the value is not well-formed JSON")


def _text(raw: msgspec.Raw) -> str | None:
    value = exact.document(raw)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Refusal("type", "expected an object")
    return exact.text_of(value)


def _offsets(values: Sequence[Any]) -> Array:
    return pa.array(list(accumulate(map(len, values), initial=0)), pa.int32())
