"""What turns a column of decoded values into Arrow, or refuses it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from mesh_defs.contract.arrow import arrow_type
from mesh_defs.contract.types import ColumnType
from mesh_defs.decode.refusal import Refusal

Array: TypeAlias = "pa.Array[Any]"


_FEW: Final = 8


@dataclass(frozen=True, slots=True)
class Check:
    """One demand on the values of a column.

    Attributes:
        rule: The option of the contract that demands it.
        message: The demand, as a sentence.
        holds: Whether it holds for all of them. It is given the values that are not null, and the array of
            all of them.
    """

    rule: str
    message: str
    holds: Callable[[Sequence[Any], Array], bool]


class Converter(ABC):
    """Turns values of one type into an array; whether a value is good depends on nothing but itself."""

    def __init__(self, type_: ColumnType, *, required: bool, checks: tuple[Check, ...] = ()) -> None:
        self.arrow = arrow_type(type_)
        self.required = required
        self.checks = checks

    @abstractmethod
    def _convert(self, values: Sequence[Any]) -> Array:
        """Return the array of the values, raising ValueError, OverflowError or Refusal where one is bad."""

    @abstractmethod
    def _misfit(self) -> Refusal:
        """Return what a ValueError or an OverflowError of `_convert` means."""

    def array(self, values: Sequence[Any]) -> Array:
        """Return the array of the values.

        Raises:
            Refusal: At least one of them cannot be stored, or breaks a rule. It tells the rule, not which value.
        """
        try:
            array = self._convert(values)
        except (ValueError, OverflowError):
            raise self._misfit() from None
        if self.required and array.null_count:
            raise Refusal("required", "the field is required, but null")
        if self.checks:
            present = self._comparable(values, array)
            for check in self.checks:
                if not check.holds(present, array):
                    raise Refusal(check.rule, check.message)
        return array

    def _comparable(self, values: Sequence[Any], array: Array) -> Sequence[Any]:
        """Return what the checks compare: the values that are not null."""
        return [v for v in values if v is not None] if array.null_count else values

    def refusal(self, value: Any) -> Refusal | None:
        """Return why a value is refused, and where inside it; None where it is not."""
        return self._refusal_of([value])

    def refused(self, values: Sequence[Any]) -> dict[int, Refusal]:
        """Return the refused ones of many values, by their position, halving until few stand together."""
        found: dict[int, Refusal] = {}
        ranges = [(0, len(values))]
        while ranges:
            low, high = ranges.pop()
            if high - low <= _FEW:
                verdicts = ((i, self._refusal_at(values, i)) for i in range(low, high))
                found.update((i, refusal) for i, refusal in verdicts if refusal is not None)
                continue
            try:
                self.array(values[low:high])
            except Refusal:
                middle = (low + high) // 2
                ranges += [(low, middle), (middle, high)]
        return found

    def _refusal_at(self, values: Any, position: int) -> Refusal | None:
        if isinstance(values, pa.Array):
            # An element of an array is of the array's type, which no other takes as a value.
            return self._refusal_of(values[position : position + 1])
        return self.refusal(values[position])

    def _refusal_of(self, one: Any) -> Refusal | None:
        try:
            self.array(one)
        except Refusal as refusal:
            return refusal
        return None


def list_offsets(lists: Any) -> Array:
    """Return where each list of an array begins in its flattened values, and where the last one ends."""
    lengths: Any = pc.fill_null(pc.list_value_length(lists), 0)
    ends: Any = pc.cumulative_sum(lengths).cast(pa.int32())
    return pa.concat_arrays([pa.array([0], pa.int32()), ends])


def scattered(array: Array, values: Sequence[Any]) -> Array:
    """Return the array with a null put in wherever `values` holds None.

    Args:
        array: One element for each of `values` that is not None.
        values: What the array was made from, gaps included.
    """
    if len(array) == len(values):
        return array
    positions = iter(range(len(array)))
    return array.take(pa.array([None if v is None else next(positions) for v in values], pa.int64()))
