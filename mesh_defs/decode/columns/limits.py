"""`logicalTypeOptions` as checks on whole columns; each rule bears the option's name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Final

import msgspec
import pyarrow.compute as pc

from mesh_defs.contract.types import ColumnType, Kind
from mesh_defs.decode.columns.base import Array, Check
from mesh_defs.decode.columns.formats import FORMATS

_INTEGERS: Final = frozenset([Kind.BIGINT, Kind.INT, Kind.SMALLINT])

_Holds = Callable[[Sequence[Any], Array], bool]


def checks_for(type_: ColumnType) -> tuple[Check, ...]:
    """Return the checks that a type's limits demand, cheap ones first.

    `pattern` is searched for with Python's `re`, unanchored. Lengths of text are counted in characters (code
    points). The properties of an object with declared fields are those of them that are not null.
    """
    limits = type_.limits
    if not limits.any:
        return ()
    found = [*_bounds(type_), *_sizes(type_)]
    if limits.multiple_of is not None:
        message = f"the number is no multiple of {limits.multiple_of}"
        found.append(Check("multiple_of", message, _multiple_of(type_.kind, limits.multiple_of)))
    if limits.pattern is not None:
        search = re.compile(limits.pattern).search
        found.append(
            Check("pattern", "the text does not match the pattern", lambda v, _: all(map(search, v)))
        )
    if limits.format is not None:
        fits = FORMATS[limits.format]
        message = f"the text is no {limits.format}"
        found.append(Check("format", message, lambda v, _: all(map(fits, v))))
    if limits.unique_items:
        found.append(Check("unique_items", "two elements of the array are equal", _unique_items))
    found.extend(_required_key(key) for key in _free_keys(type_))
    return tuple(found)


def _bounds(type_: ColumnType) -> list[Check]:
    limits = type_.limits
    found = []
    bounds: tuple[tuple[str, Any, str, Callable[[Any, Any], bool]], ...] = (
        ("minimum", limits.minimum, "below the minimum", lambda low, bound: low >= bound),
        ("exclusive_minimum", limits.exclusive_minimum, "not above", lambda low, bound: low > bound),
        ("maximum", limits.maximum, "above the maximum", lambda high, bound: high <= bound),
        ("exclusive_maximum", limits.exclusive_maximum, "not below", lambda high, bound: high < bound),
    )
    for rule, bound, words, keeps in bounds:
        if bound is not None:
            end = min if "minimum" in rule else max
            holds = _bounded(type_.kind, bound, end, keeps)
            found.append(Check(rule, f"the value is {words} {bound}", holds))
    return found


def _bounded(kind: Kind, bound: Any, end: Callable[..., Any], keeps: Callable[[Any, Any], bool]) -> _Holds:
    if kind is not Kind.FLOAT:
        name = end.__name__

        def extremes(_: Sequence[Any], array: Array) -> bool:
            extreme = pc.min_max(array)[name].as_py()
            return (extreme is None or keeps(extreme, bound)) and not _has_nan(kind, array)

        return extremes

    # Numbers are compared as they were decoded: a 32-bit float's rounding must not break a bound.
    def decoded(values: Sequence[Any], array: Array) -> bool:
        return not values or (keeps(end(values), bound) and not _has_nan(kind, array))

    return decoded


def _has_nan(kind: Kind, array: Array) -> bool:
    """Return whether one of the values is no number, which compares with none."""
    return kind in (Kind.DOUBLE, Kind.FLOAT) and bool(pc.any(pc.is_nan(array), min_count=0).as_py())


def _sizes(type_: ColumnType) -> list[Check]:
    unit, measure = _MEASURES.get(type_.kind, ("elements", len))
    found = []
    for name in ("min_length", "min_items", "min_properties"):
        limit = getattr(type_.limits, name)
        if limit is not None:
            found.append(Check(name, f"the value has fewer than {limit} {unit}", _at_least(measure, limit)))
    for name in ("max_length", "max_items", "max_properties"):
        limit = getattr(type_.limits, name)
        if limit is not None:
            found.append(Check(name, f"the value has more than {limit} {unit}", _at_most(measure, limit)))
    return found


def _at_least(measure: Callable[[Any], int], limit: int) -> _Holds:
    return lambda values, _: min(map(measure, values), default=limit) >= limit


def _at_most(measure: Callable[[Any], int], limit: int) -> _Holds:
    return lambda values, _: max(map(measure, values), default=limit) <= limit


def _filled(value: msgspec.Struct | dict[str, Any]) -> int:
    members = value.values() if isinstance(value, dict) else msgspec.structs.astuple(value)
    return sum(member is not None for member in members)


_MEASURES: Final[dict[Kind, tuple[str, Callable[[Any], int]]]] = {
    Kind.STRING: ("characters", len),
    Kind.BYTES: ("bytes", len),
    Kind.OBJECT: ("properties", _filled),
    Kind.JSON: ("properties", len),
    Kind.MAP: ("properties", len),
}


def _multiple_of(kind: Kind, step: Any) -> _Holds:
    if kind in _INTEGERS:
        return lambda values, _: not any(value % step for value in values)
    # As fractions of what was written, since 0.3 is a multiple of 0.1, but not in binary.
    exact = Fraction(str(step))
    return lambda values, _: all(
        math.isfinite(value) and not Fraction(str(value)) % exact for value in values
    )


def _unique_items(_: Sequence[Any], array: Array) -> bool:
    return all(_distinct(items) for items in array.to_pylist() if items)


def _distinct(items: list[Any]) -> bool:
    try:
        return len(set(items)) == len(items)
    except TypeError:
        return len(set(map(repr, items))) == len(items)


def _free_keys(type_: ColumnType) -> tuple[str, ...]:
    # An object's declared fields are required by the decoder itself.
    return type_.limits.required_keys if type_.kind in (Kind.JSON, Kind.MAP) else ()


def _required_key(key: str) -> Check:
    message = f"the key {key} is required, but absent or null"
    return Check("required", message, lambda values, _: all(value.get(key) is not None for value in values))
