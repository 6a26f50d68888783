"""Arrow arrays of structs, lists and unions as the source of nested columns; refusals tell a path."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mesh_defs.contract.types import ColumnType, Kind
from mesh_defs.decode.columns.arrow import FromArrow, nulls
from mesh_defs.decode.columns.base import Array, Check, Converter, list_offsets
from mesh_defs.decode.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Part:
    """A member of a struct column.

    Attributes:
        index: Of the source's member; None where it has none.
    """

    name: str
    converter: Converter
    index: int | None


class _Nested(FromArrow):
    """Values that hold others."""

    def _convert(self, values: Any) -> Array:
        if not values.null_count:
            return self._dense(values)
        dense = self._dense(values.drop_null())
        valid = values.is_valid()
        places: Any = pc.subtract(pc.cumulative_sum(valid.cast(pa.int64())), pa.scalar(1))
        return dense.take(pc.if_else(valid, places, pa.scalar(None, pa.int64())))

    def _dense(self, values: Any) -> Array:
        """Return the array of values none of which is null."""
        raise NotImplementedError


class Structs(_Nested):
    """Objects with named members."""

    def __init__(
        self, type_: ColumnType, parts: tuple[Part, ...], *, required: bool, checks: tuple[Check, ...] = ()
    ) -> None:
        super().__init__(type_, required=required, checks=checks)
        self._parts = parts

    def _dense(self, values: Any) -> Array:
        members = self._members(values)
        arrays = [part.converter.array(member) for part, member in zip(self._parts, members, strict=True)]
        return pa.StructArray.from_arrays(arrays, fields=list(self.arrow))  # type: ignore[call-overload]

    def _members(self, values: Any) -> list[Any]:
        members = values.flatten()
        return [pa.nulls(len(values)) if p.index is None else members[p.index] for p in self._parts]

    def _inner(self, one: Any) -> Refusal | None:
        for part, member in zip(self._parts, self._members(one), strict=True):
            for refusal in part.converter.refused(member).values():
                return refusal.within(f".{part.name}")
        return None


class Lists(_Nested):
    """Arrays of one type."""

    def __init__(
        self, type_: ColumnType, item: Converter, *, required: bool, checks: tuple[Check, ...] = ()
    ) -> None:
        super().__init__(type_, required=required, checks=checks)
        self._item = item

    def _dense(self, values: Any) -> Array:
        lists: Any = pa.ListArray
        items = self._item.array(values.flatten())
        found: Array = lists.from_arrays(list_offsets(values), items, type=self.arrow)
        return found

    def _inner(self, one: Any) -> Refusal | None:
        for position, refusal in sorted(self._item.refused(one.flatten()).items()):
            return refusal.within(f"[{position}]")
        return None


class Maps(_Nested):
    """Maps, whose source is a list of distinct keys and their values."""

    def __init__(
        self,
        type_: ColumnType,
        key: Converter,
        value: Converter,
        *,
        required: bool,
        checks: tuple[Check, ...] = (),
    ) -> None:
        super().__init__(type_, required=required, checks=checks)
        self._key = key
        self._value = value
        self._case_blind = type_.key is not None and type_.key.kind is Kind.UUID

    def _dense(self, values: Any) -> Array:
        keys, members = values.flatten().flatten()
        offsets = list_offsets(values)
        found_keys = self._key.array(keys)
        if self._case_blind and not _all_distinct(found_keys, offsets):
            raise Refusal("duplicate_key", "two keys of the map are the same UUID")
        map_array: Any = pa.MapArray
        found: Array = map_array.from_arrays(offsets, found_keys, self._value.array(members), type=self.arrow)
        return found

    def _inner(self, one: Any) -> Refusal | None:
        # A key is data, hence no part of the path.
        for converter, members in zip((self._key, self._value), one.flatten().flatten(), strict=True):
            for refusal in converter.refused(members).values():
                return refusal.within("[...]")
        return None


def _all_distinct(keys: Array, offsets: Array) -> bool:
    names: list[Any] = keys.to_pylist()
    ends: list[Any] = offsets.to_pylist()
    return all(len(set(names[low:high])) == high - low for low, high in pairwise(ends))


class Either(FromArrow):
    """A union whose branches are kept in one column: a struct of which one member has a value.

    Args:
        branches: A converter a branch, all to the column's type.
    """

    def __init__(
        self,
        type_: ColumnType,
        branches: tuple[Converter, ...],
        *,
        required: bool,
        checks: tuple[Check, ...] = (),
    ) -> None:
        super().__init__(type_, required=required, checks=checks)
        self._branches = branches

    def _convert(self, values: Any) -> Array:
        members = zip(self._branches, values.flatten(), strict=True)
        arrays = [converter.array(member) for converter, member in members]
        rows = pa.array(range(len(values)), pa.int64())
        places: Any = nulls(len(values), pa.int64())
        for position, array in enumerate(arrays):
            place = pc.add(rows, pa.scalar(position * len(values)))
            places = pc.if_else(array.is_valid(), place, places)
        return pa.concat_arrays(arrays).take(places)

    def _inner(self, one: Any) -> Refusal | None:
        for converter, member in zip(self._branches, one.flatten(), strict=True):
            for refusal in converter.refused(member).values():
                return refusal
        return None
