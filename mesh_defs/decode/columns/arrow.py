"""Arrow arrays as the source of columns: converted whole, looked at value by value only where a rule demands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from mesh_defs.contract.types import ColumnType
from mesh_defs.decode.columns.base import Array, Converter
from mesh_defs.decode.refusal import Refusal


def nulls(count: int, type_: pa.DataType) -> Array:
    """Return an array of nulls."""
    of_type: Any = pa.nulls
    found: Array = of_type(count, type_)
    return found


class Late(Sequence[Any]):
    """The values of an array that are not null, made when they are first looked at.

    Args:
        array: Of any type; maps are seen as dicts.
    """

    def __init__(self, array: Array) -> None:
        self._array = array
        self._made: list[Any] | None = None

    def _values(self) -> list[Any]:
        if self._made is None:
            values: list[Any] = self._array.drop_null().to_pylist()
            self._made = [dict(v) for v in values] if pa.types.is_map(self._array.type) else values
        return self._made

    def __len__(self) -> int:
        return len(self._array) - self._array.null_count

    def __getitem__(self, index: Any) -> Any:
        return self._values()[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values())


class FromArrow(Converter):
    """Turns an array of one Arrow type into a column's; the values that it is given are that array."""

    def _convert(self, values: Any) -> Array:
        found: Array = values if values.type == self.arrow else values.cast(self.arrow)
        return found

    def _misfit(self) -> Refusal:
        return Refusal("range", f"the value does not fit the column's type, {self.arrow}")

    def _comparable(self, values: Any, array: Array) -> Sequence[Any]:
        del values
        return Late(array)

    def _refusal_at(self, values: Any, position: int) -> Refusal | None:
        one = values[position : position + 1]
        inner = None if one.null_count else self._inner(one)
        return self._refusal_of(one) if inner is None else inner

    def _inner(self, one: Any) -> Refusal | None:
        """Return what is wrong inside the only value of an array, which is not null."""
        del one
        return None


class Widened(FromArrow):
    """Integers as floats: none may lose a digit."""

    def _convert(self, values: Any) -> Array:
        try:
            return super()._convert(values)
        except pa.ArrowInvalid:
            # Arrow refuses all integers beyond the mantissa, also those that a float holds.
            found: Array = values.cast(self.arrow, safe=False)
            widened: list[Any] = found.to_pylist()
            pairs = zip(values.to_pylist(), widened, strict=True)
            if not all(before is None or int(after) == before for before, after in pairs):
                raise
            return found


class Rescaled(FromArrow):
    """Integers and decimals as decimals of another size, by their value."""

    def _convert(self, values: Any) -> Array:
        # Arrow's own cast overflows without a word where it adds zeros, and takes integers by their type.
        numbers = [None if value is None else Decimal(value) for value in values.to_pylist()]
        return pa.array(numbers, self.arrow)


class Nothing(FromArrow):
    """A column of which the source has no value."""

    def _convert(self, values: Any) -> Array:
        return nulls(len(values), self.arrow)


class Misfit(FromArrow):
    """A source whose type is not the column's: every value of it is refused.

    Args:
        refusal: Of each.
    """

    def __init__(self, type_: ColumnType, refusal: Refusal, *, required: bool) -> None:
        super().__init__(type_, required=required)
        self._refusal = refusal

    def _convert(self, values: Any) -> Array:
        if values.null_count < len(values):
            raise self._refusal
        return nulls(len(values), self.arrow)


class Listed(FromArrow):
    """The way through Python objects: an array's values as a document would write them, to a document's column.

    Args:
        inner: The column's converter for documents, with all its rules.
        spelt: From a value that is not None to what that converter takes; None where it is the same.
    """

    def __init__(self, type_: ColumnType, inner: Converter, spelt: Any = None) -> None:
        super().__init__(type_, required=False)
        self._of_objects = inner
        self._spelt = spelt

    def array(self, values: Any) -> Array:
        """Return the array of the values, or raise the refusal of one."""
        return self._of_objects.array(self._objects(values))

    def _objects(self, values: Any) -> list[Any]:
        objects: list[Any] = values.to_pylist()
        if self._spelt is None:
            return objects
        return [None if value is None else self._spelt(value) for value in objects]
