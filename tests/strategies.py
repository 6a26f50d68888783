"""Hypothesis strategies of the project: contracts, documents that keep to them, and records that may not."""

from __future__ import annotations

import base64
import datetime as dt
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import strategies as st

from mesh_defs.contract.types import Column, ColumnType, Kind, TimeEncoding

_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock, as Hypothesis draws them
_DAY = dt.timedelta(days=1)
_FIRST, _LAST = dt.datetime.min + _DAY, dt.datetime.max - _DAY  # noqa: DTZ901

_TICKS = {
    TimeEncoding.EPOCH_S: (dt.timedelta(seconds=1), ""),
    TimeEncoding.EPOCH_MS: (dt.timedelta(milliseconds=1), ""),
    TimeEncoding.EPOCH_US: (dt.timedelta(microseconds=1), ""),
    TimeEncoding.EPOCH_NS: (dt.timedelta(microseconds=1), "000"),
}
"""What each counts, and the digits behind the count that microseconds do not have."""

_INTEGERS = {Kind.BIGINT: 63, Kind.INT: 31, Kind.SMALLINT: 15}
_SIMPLE = (
    Kind.BIGINT,
    Kind.INT,
    Kind.SMALLINT,
    Kind.DOUBLE,
    Kind.FLOAT,
    Kind.STRING,
    Kind.BYTES,
    Kind.UUID,
    Kind.BOOLEAN,
    Kind.DATE,
    Kind.TIME,
    Kind.JSON,
)
_KEYS = (Kind.STRING, Kind.UUID, Kind.BIGINT, Kind.INT, Kind.SMALLINT)


@dataclass(frozen=True, slots=True)
class Written:
    """A value twice: as JSON text, and as Arrow gives it back to Python."""

    text: str
    value: Any


def text() -> st.SearchStrategy[str]:
    """Text that UTF-8 can hold, NUL and astral characters included."""
    return st.text(st.characters(codec="utf-8"), max_size=12)


def json_values(*, max_leaves: int = 8) -> st.SearchStrategy[Any]:
    """Any JSON value."""
    leaves = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.decimals(allow_nan=False, allow_infinity=False, places=20).map(_exact)
        | text()
    )
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text(), inner, max_size=3),
        max_leaves=max_leaves,
    )


def json_text(value: Any) -> str:
    """Return a value of `json_values` as JSON text."""
    return msgspec.json.encode(value).decode()


def _exact(number: Decimal) -> msgspec.Raw:
    return msgspec.Raw(format(number, "f").encode())


def names() -> st.SearchStrategy[str]:
    """Names of columns, Python's own words included."""
    return st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True) | st.sampled_from(
        ["class", "from", "None", "f0", "f1", "self", "_x"]
    )


@st.composite
def column_types(draw: st.DrawFn, depth: int = 2) -> ColumnType:
    """Types of columns, nested up to `depth` levels, without limits."""
    nested = (Kind.OBJECT, Kind.ARRAY, Kind.MAP) if depth else ()
    kind = draw(st.sampled_from((*_SIMPLE, Kind.DECIMAL, Kind.TIMESTAMP, *nested)))
    if kind is Kind.DECIMAL:
        precision = draw(st.integers(1, 38))
        return ColumnType(kind=kind, precision=precision, scale=draw(st.integers(0, precision)))
    if kind is Kind.TIMESTAMP:
        encoding = draw(st.sampled_from([*_TICKS, TimeEncoding.RFC3339]))
        zoned = encoding is not TimeEncoding.RFC3339 or draw(st.booleans())
        return ColumnType(kind=kind, encoding=encoding, timezone=zoned)
    if kind is Kind.OBJECT:
        return ColumnType(kind=kind, fields=tuple(draw(columns(depth=depth - 1, max_size=3))))
    if kind is Kind.ARRAY:
        item = Column(name="element", type=draw(column_types(depth - 1)), required=draw(st.booleans()))
        return ColumnType(kind=kind, item=item)
    if kind is Kind.MAP:
        key = ColumnType(kind=draw(st.sampled_from(_KEYS)))
        return ColumnType(kind=kind, key=key, value=draw(column_types(depth - 1)))
    return ColumnType(kind=kind)


@st.composite
def columns(draw: st.DrawFn, depth: int = 2, max_size: int = 4) -> list[Column]:
    """Columns of a table or fields of an object."""
    found = draw(st.lists(names(), min_size=1, max_size=max_size, unique_by=str.casefold))
    return [Column(name=name, type=draw(column_types(depth)), required=draw(st.booleans())) for name in found]


@st.composite
def documents(draw: st.DrawFn, fields: list[Column], *, surplus: bool = False) -> Written:
    """Documents that keep to their columns, and with `surplus` may say more than the contract names."""
    members, value = [], {}
    for field in fields:
        absent = not field.required and draw(st.booleans())
        value[field.name] = None
        if absent and draw(st.booleans()):
            continue
        written = Written("null", None) if absent else draw(written_values(field.type, surplus=surplus))
        members.append((field.name, written.text))
        value[field.name] = written.value
    if surplus:
        known = {field.name for field in fields}
        more = draw(st.dictionaries(text().filter(lambda n: n not in known), json_values(), max_size=2))
        members += [(name, json_text(member)) for name, member in more.items()]
    members = draw(st.permutations(members))
    space = draw(st.sampled_from(["", " ", "\n\t"]))
    body = f",{space}".join(f"{json.dumps(name)}{space}:{member}" for name, member in members)
    return Written("{" + space + body + space + "}", value)


@st.composite
def written_values(draw: st.DrawFn, type_: ColumnType, *, surplus: bool = False) -> Written:
    """Values of a type, as JSON text and as Arrow gives them back."""
    match type_.kind:
        case Kind.OBJECT:
            return draw(documents(list(type_.fields), surplus=surplus))
        case Kind.ARRAY if type_.item is not None:
            item = written_values(type_.item.type, surplus=surplus)
            null = st.nothing() if type_.item.required else st.just(Written("null", None))
            items = draw(st.lists(item | null, max_size=3))
            return Written(f"[{','.join(i.text for i in items)}]", [i.value for i in items])
        case Kind.MAP if type_.key is not None and type_.value is not None:
            keys = draw(st.lists(written_keys(type_.key), max_size=3, unique_by=lambda k: k.value))
            null = st.just(Written("null", None))
            values = [draw(written_values(type_.value, surplus=surplus) | null) for _ in keys]
            pairs = list(zip(keys, values, strict=True))
            body = ",".join(f"{key.text}:{value.text}" for key, value in pairs)
            return Written(f"{{{body}}}", [(key.value, value.value) for key, value in pairs])
        case Kind.TIMESTAMP:
            return draw(written_timestamps(type_))
        case Kind.DECIMAL:
            return draw(written_decimals(type_))
        case kind:
            return draw(_WRITTEN[kind])


def written_keys(type_: ColumnType) -> st.SearchStrategy[Written]:
    """Keys of a map: JSON strings, whatever they mean."""
    if type_.kind in _INTEGERS:
        return _integers(type_.kind).map(lambda w: Written(f'"{w.text}"', w.value))
    return _WRITTEN[type_.kind]


@st.composite
def written_timestamps(draw: st.DrawFn, type_: ColumnType) -> Written:
    """Timestamps of all encodings, of any offset, with fractions of one to nine digits."""
    moment = draw(st.datetimes(_FIRST, _LAST))
    if type_.encoding in _TICKS:
        tick, digits = _TICKS[type_.encoding]
        if digits:  # nanoseconds of 64 bits end in 2262
            moment = draw(st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2262, 1, 1)))  # noqa: DTZ001
        count = (moment - _EPOCH) // tick
        return Written(f"{count}{digits if count else ''}", (_EPOCH + count * tick).replace(tzinfo=dt.UTC))
    spelled = moment.isoformat(timespec=draw(st.sampled_from(["microseconds", "auto"])))
    if "." in spelled:
        spelled += "0" * draw(st.integers(0, 3))
    spelled = spelled.replace("T", draw(st.sampled_from("Tt")))
    if not type_.timezone:
        return Written(f'"{spelled}"', moment)
    minutes = draw(st.sampled_from([0, 60, -300, 330, 1439, -1439]))
    offset = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    offset = draw(st.sampled_from(["Z", "z", "-00:00"])) if minutes == 0 else offset
    instant = moment - dt.timedelta(minutes=minutes)
    return Written(f'"{spelled}{offset}"', instant.replace(tzinfo=dt.UTC))


@st.composite
def written_decimals(draw: st.DrawFn, type_: ColumnType) -> Written:
    """Decimals that fit, as numbers and as strings, with trailing zeros and exponents."""
    digits = draw(st.integers(-(10**type_.precision) + 1, 10**type_.precision - 1))
    value = (
        Decimal(digits).scaleb(-type_.scale, None) if type_.precision < 28 else _scaled(digits, type_.scale)
    )
    spelled = format(value, "f")
    style = draw(st.sampled_from(["plain", "zeros", "exponent"]))
    if style == "zeros":
        spelled += "00" if "." in spelled else ".00"
    elif style == "exponent":
        spelled = f"{digits}e-{type_.scale}"
    return Written(draw(st.sampled_from([spelled, f'"{spelled}"'])), value)


def _scaled(digits: int, scale: int) -> Decimal:
    sign, figures, _ = Decimal(digits).as_tuple()
    return Decimal((sign, figures, -scale))


def _integers(kind: Kind) -> st.SearchStrategy[Written]:
    bits = _INTEGERS[kind]
    return st.integers(-(1 << bits), (1 << bits) - 1).map(lambda n: Written(str(n), n))


def _quoted(value: Any) -> str:
    return json.dumps(str(value))


_WRITTEN: dict[Kind, st.SearchStrategy[Written]] = {
    **{kind: _integers(kind) for kind in _INTEGERS},
    Kind.DOUBLE: st.floats(allow_nan=False, allow_infinity=False).map(lambda x: Written(repr(x), x)),
    Kind.FLOAT: st.floats(allow_nan=False, allow_infinity=False, width=32).map(lambda x: Written(repr(x), x)),
    Kind.STRING: st.tuples(text(), st.booleans()).map(
        lambda t: Written(json.dumps(t[0], ensure_ascii=t[1]), t[0])
    ),
    Kind.BYTES: st.binary(max_size=12).map(lambda b: Written(_quoted(base64.b64encode(b).decode()), b)),
    Kind.UUID: st.tuples(st.uuids(), st.booleans()).map(
        lambda t: Written(_quoted(t[0]).upper() if t[1] else _quoted(t[0]), t[0])
    ),
    Kind.BOOLEAN: st.booleans().map(lambda b: Written(str(b).lower(), b)),
    Kind.DATE: st.dates().map(lambda d: Written(_quoted(d.isoformat()), d)),
    Kind.TIME: st.times().map(lambda t: Written(_quoted(t.isoformat()), t)),
    Kind.JSON: st.dictionaries(text(), json_values(), max_size=2).map(
        lambda d: Written(json_text(d), json_text(d))
    ),
}
