"""Avro values as JSON text, spelt as the JSON streams of the mesh spell them.

What is kept as text (`_unknown`, columns of JSON) must read back into typed columns: bytes are base64, moments
RFC 3339, decimals numbers with all their digits. A branch of a union of several is an object of one member with the
branch's name, as Avro's own JSON encoding writes it; NaN and the infinities, for which JSON has no number, are text.
"""

from __future__ import annotations

import base64
import datetime as dt
import math
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec

from mesh_defs.contract.avro.types import (
    VARIABLE_DECIMAL,
    Array,
    AvroSchema,
    AvroType,
    Enum,
    Fixed,
    Map,
    Primitive,
    Record,
    Reference,
    Union,
    name_of,
)
from mesh_defs.decode import exact
from mesh_defs.decode.avro.nodes import is_null
from mesh_defs.decode.columns.moments import FIRST_MICROSECOND, LAST_MICROSECOND

ToJson: TypeAlias = Callable[[Any], Any]
"""From a value that is not None to what `exact.text_of` writes."""

_EPOCH: Final = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - the zone is a letter of the text
_DAY_ONE: Final = dt.date(1970, 1, 1).toordinal()
_DAYS: Final = range(1, dt.date.max.toordinal() + 1)
_DAY: Final = range(86_400_000_000)
_MICROSECONDS: Final = range(FIRST_MICROSECOND, LAST_MICROSECOND + 1)


@dataclass(frozen=True, slots=True)
class Text:
    """Writes values of one type as JSON."""

    to_json: ToJson | None

    def json(self, value: Any) -> Any:
        """Return what `exact.text_of` writes for a value."""
        return value if value is None or self.to_json is None else self.to_json(value)

    def dumped(self, value: Any) -> str:
        """Return the value as JSON text.

        Raises:
            Refusal: It is nested too deeply for a document.
        """
        try:
            return exact.text_of(self.json(value))
        except RecursionError:
            raise exact.too_deep() from None


class Texts:
    """The texts of one schema's types.

    Attributes:
        cut: Of values that are JSON text already, for `Node.cut`.
    """

    def __init__(self, schema: AvroSchema) -> None:
        self.cut = Text(_raw)
        self._schema = schema
        self._endless: dict[str, Text] = {}

    def of(self, type_: AvroType, above: tuple[str, ...] | None) -> Text:
        """Return what writes values of a type.

        Args:
            type_: The type.
            above: The records around it; None where the values go as deep as they do, without JSON text inside.
        """
        if isinstance(type_, Reference):
            if above is None:
                return self._endless_of(type_.name)
            if type_.name in above:
                return self.cut
        whole = self._schema.resolved(type_)
        match whole:
            case Union():
                text = self._union(whole, above)
            case Record(name=name) if name == VARIABLE_DECIMAL:
                text = Text(variable_decimal)
            case Record():
                inside = None if above is None else (*above, whole.name)
                text = _object({field.name: self.of(field.type, inside) for field in whole.fields})
            case Array():
                text = _array(self.of(whole.items, above))
            case Map():
                text = _map(self.of(whole.values, above))
            case Enum():
                text = Text(None)
            case _:
                text = Text(_scalar(whole))
        return text

    def _endless_of(self, name: str) -> Text:
        if name not in self._endless:

            def to_json(value: Any) -> Any:
                return found.json(value)

            # Filled in before its own parts ask for it.
            self._endless[name] = Text(to_json)
            found = self.of(self._schema.names[name], None)
            self._endless[name] = found
        return self._endless[name]

    def _union(self, union: Union, above: tuple[str, ...] | None) -> Text:
        others = {name_of(b): self.of(b, above) for b in union.branches if not is_null(b)}
        if len(others) == 1:
            return next(iter(others.values()))
        return Text(lambda value: _tagged(value, others))


def variable_decimal(value: Mapping[str, Any]) -> msgspec.Raw:
    """Return the number of a decimal whose scale stands beside it."""
    return exact.unscaled(value["value"], value["scale"])


def _object(fields: Mapping[str, Text]) -> Text:
    if all(text.to_json is None for text in fields.values()):
        return Text(None)
    return Text(lambda value: {name: text.json(value[name]) for name, text in fields.items()})


def _array(item: Text) -> Text:
    if item.to_json is None:
        return item
    return Text(lambda value: [item.json(element) for element in value])


def _map(member: Text) -> Text:
    return Text(lambda value: {entry["key"]: member.json(entry["value"]) for entry in value})


def _tagged(value: Mapping[str, Any], branches: Mapping[str, Text]) -> dict[str, Any]:
    return {name: branches[name].json(member) for name, member in value.items() if member is not None}


def _scalar(type_: Primitive | Fixed) -> ToJson | None:
    if type_.logical is not None and type_.logical.name in _LOGICAL:
        return _LOGICAL[type_.logical.name]
    return _base64 if isinstance(type_, Fixed) else _PLAIN.get(type_.name)


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(str(value).encode())


def _decimal(value: Any) -> msgspec.Raw:
    # As text the number has more digits than a decimal of Arrow's.
    return _raw(value if isinstance(value, str) else f"{value:f}")


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def uuid_text(value: str | bytes) -> str:
    """Return a UUID in its canonical form; where the wire has it as text, as it is."""
    return str(uuid.UUID(bytes=value)) if isinstance(value, bytes) else value


def _date(value: int) -> str | int:
    day = value + _DAY_ONE
    return dt.date.fromordinal(day).isoformat() if day in _DAYS else value


def _time(scale: int) -> ToJson:
    def to_json(value: int) -> str | int:
        if value * scale not in _DAY:
            return value
        return (_EPOCH + dt.timedelta(microseconds=value * scale)).time().isoformat()

    return to_json


def _timestamp(scale: int, zone: str) -> ToJson:
    def to_json(value: int) -> str | int:
        if value * scale not in _MICROSECONDS:
            return value
        return (_EPOCH + dt.timedelta(microseconds=value * scale)).isoformat() + zone

    return to_json


_PLAIN: Final[Mapping[str, ToJson]] = {"bytes": _base64, "float": _number, "double": _number}
_LOGICAL: Final[Mapping[str, ToJson]] = {
    "decimal": _decimal,
    "uuid": uuid_text,
    "date": _date,
    "time-millis": _time(1000),
    "time-micros": _time(1),
    "timestamp-millis": _timestamp(1000, "Z"),
    "timestamp-micros": _timestamp(1, "Z"),
    "local-timestamp-millis": _timestamp(1000, ""),
    "local-timestamp-micros": _timestamp(1, ""),
}
"""Nanoseconds remain numbers: a column of microseconds would not hold their text."""
