"""`logicalTypeOptions`: what a value must keep to, or a finding where it cannot be enforced."""

from __future__ import annotations

import datetime as dt
import math
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, cast

from mesh_defs.contract.document import Node
from mesh_defs.contract.formats import OptionError, read_format
from mesh_defs.contract.instants import parse_date, parse_time, parse_timestamp
from mesh_defs.contract.report import Report, did_you_mean
from mesh_defs.contract.types import ColumnType, Kind, Limits, TimeEncoding

Bound = int | float | Decimal | dt.date | dt.time | dt.datetime

_BOUNDS: Final = {
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "exclusive_minimum",
    "exclusiveMaximum": "exclusive_maximum",
}
_COUNTS: Final = {
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_items",
    "maxItems": "max_items",
    "minProperties": "min_properties",
    "maxProperties": "max_properties",
}
_INTEGERS: Final = frozenset([Kind.BIGINT, Kind.INT, Kind.SMALLINT])
_NUMBERS: Final = _INTEGERS | {Kind.DOUBLE, Kind.FLOAT, Kind.DECIMAL}

_RANGE_KEYS: Final = frozenset(_BOUNDS)
_KEYS: Final[Mapping[Kind, frozenset[str]]] = {
    **dict.fromkeys(_NUMBERS, _RANGE_KEYS | {"multipleOf", "format"}),
    Kind.DATE: _RANGE_KEYS | {"format"},
    Kind.TIME: _RANGE_KEYS | {"format", "timezone", "defaultTimezone"},
    Kind.TIMESTAMP: _RANGE_KEYS | {"format", "timezone", "defaultTimezone"},
    Kind.STRING: frozenset(["minLength", "maxLength", "pattern", "format"]),
    Kind.BYTES: frozenset(["minLength", "maxLength"]),
    Kind.UUID: frozenset(["format"]),
    Kind.BOOLEAN: frozenset(),
    Kind.OBJECT: frozenset(["minProperties", "maxProperties", "required"]),
    Kind.JSON: frozenset(["minProperties", "maxProperties", "required"]),
    Kind.MAP: frozenset(["minProperties", "maxProperties", "required"]),
    Kind.ARRAY: frozenset(["minItems", "maxItems", "uniqueItems"]),
}


def with_options(type_: ColumnType, options: Node | None, report: Report, *, narrowed: bool) -> ColumnType:
    """Return a type with the limits, and the zone, that its `logicalTypeOptions` demand.

    Args:
        type_: The type without them.
        options: The node of `logicalTypeOptions`.
        report: Takes what cannot be enforced.
        narrowed: Whether a `physicalType` chose the type; a `format` may not contradict it then.
    """
    if options is None:
        return type_
    return _Options(type_, options, report, narrowed=narrowed).applied()


class _Options:
    """One column's options, in the reading."""

    def __init__(self, type_: ColumnType, options: Node, report: Report, *, narrowed: bool) -> None:
        self._type = type_
        self._options = options
        self._report = report
        self._narrowed = narrowed
        self._limits: dict[str, Any] = {}

    def applied(self) -> ColumnType:
        """Return the type with its options applied."""
        known = _KEYS[self._type.kind]
        for key, node in self._options.entries().items():
            if key not in known:
                message = f"{key} is not supported for {self._type.kind}{did_you_mean(key, known)}"
                self._report.key_error(node, "option", message)
        self._timezone()
        self._format()
        for key, name in _COUNTS.items():
            self._take(key, name, _count)
        for key, name in _BOUNDS.items():
            self._bound(key, name)
        self._take("multipleOf", "multiple_of", self._positive)
        self._take("pattern", "pattern", _pattern)
        self._take("uniqueItems", "unique_items", _flag)
        self._take("required", "required_keys", _keys)
        type_ = replace(self._type, limits=self._merged())
        self._contradictions(type_.limits)
        return type_

    def _merged(self) -> Limits:
        before = self._type.limits
        if before.max_length is not None:
            self._limits["max_length"] = min(
                before.max_length, self._limits.get("max_length", before.max_length)
            )
        return replace(before, **self._limits)

    def _node(self, key: str) -> Node | None:
        return self._options.get(key) if key in _KEYS[self._type.kind] else None

    def _take(self, key: str, name: str, read: Callable[[Node], object]) -> None:
        node = self._node(key)
        if node is None:
            return
        try:
            self._limits[name] = read(node)
        except OptionError as error:
            self._report.error(node, "option", str(error))

    def _timezone(self) -> None:
        zone = self._node("timezone")
        kind = self._type.kind
        if zone is not None and zone.value is True and kind is Kind.TIME:
            self._report.error(
                zone, "option", "a time of day with a zone is not supported; leave timezone out"
            )
        if zone is not None and zone.value is False and kind is Kind.TIMESTAMP:
            if self._type.encoding is not TimeEncoding.RFC3339:
                message = f"{self._type.encoding} counts from an instant: `timezone: false` contradicts it"
                self._report.error(zone, "option", message)
            self._type = replace(self._type, timezone=False)
        default = self._node("defaultTimezone")
        if default is not None:
            message = (
                "defaultTimezone is not supported: a timestamp says its own offset, or is a wall clock "
                "(`timezone: false`)"
            )
            self._report.key_error(default, "option", message)

    def _format(self) -> None:
        node = self._node("format")
        if node is None or not isinstance(node.value, str):
            return
        try:
            self._type, limits = read_format(self._type, node.value, narrowed=self._narrowed)
        except OptionError as error:
            self._report.error(node, "option", str(error))
            return
        self._limits.update(limits)

    def _bound(self, key: str, name: str) -> None:
        node = self._node(key)
        if node is None:
            return
        try:
            value = self._bound_value(node)
        except OptionError as error:
            self._report.error(node, "option", str(error))
            return
        narrower = max if name == "minimum" else min
        before = self._limits.get(name)
        self._limits[name] = value if before is None else narrower(before, cast("int", value))

    def _bound_value(self, node: Node) -> Bound:
        kind = self._type.kind
        if kind in _NUMBERS:
            return self._number(node)
        if not isinstance(node.value, str):
            raise OptionError(f"must be a {kind} in quotes")
        try:
            if kind is Kind.DATE:
                return parse_date(node.value)
            if kind is Kind.TIME:
                return parse_time(node.value)
            return parse_timestamp(node.value, zoned=self._type.timezone)
        except ValueError as error:
            raise OptionError(str(error)) from None

    def _number(self, node: Node) -> int | float | Decimal:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise OptionError("must be a number")
        kind = self._type.kind
        exact = Decimal(value) if isinstance(value, int) else Decimal(node.text)
        if kind is Kind.DECIMAL:
            return exact
        if kind in _INTEGERS:
            if exact != exact.to_integral_value():
                raise OptionError("must be a whole number for an integer column")
            return int(exact)
        return value

    def _positive(self, node: Node) -> int | float | Decimal:
        value = self._number(node)
        if value <= 0:
            raise OptionError("must be greater than 0")
        return value

    def _contradictions(self, limits: Limits) -> None:
        low = limits.minimum if limits.minimum is not None else limits.exclusive_minimum
        high = limits.maximum if limits.maximum is not None else limits.exclusive_maximum
        pairs: tuple[tuple[Any, Any, str], ...] = (
            (low, high, "minimum"),
            (limits.min_length, limits.max_length, "minLength"),
            (limits.min_items, limits.max_items, "minItems"),
            (limits.min_properties, limits.max_properties, "minProperties"),
        )
        for lower, upper, what in pairs:
            if lower is not None and upper is not None and lower > upper:
                message = f"no value can keep to this: {what} {lower} is above the maximum {upper}"
                self._report.error(self._options, "option", message)


def _count(node: Node) -> int:
    if isinstance(node.value, bool) or not isinstance(node.value, int) or node.value < 0:
        raise OptionError("must be a whole number, 0 or more")
    return node.value


def _flag(node: Node) -> bool:
    if not isinstance(node.value, bool):
        raise OptionError("must be true or false")
    return node.value


def _keys(node: Node) -> tuple[str, ...]:
    return tuple(element.value for element in node.elements() if isinstance(element.value, str))


def _pattern(node: Node) -> str:
    if not isinstance(node.value, str):
        raise OptionError("must be a regular expression in quotes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(node.value)
    except (re.error, Warning, OverflowError, RecursionError) as error:
        raise OptionError(f"no regular expression that Python can run: {error}") from None
    return node.value
