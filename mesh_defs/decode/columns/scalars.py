"""Numbers, text, truth values, dates, bytes and UUIDs."""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from mesh_defs.contract.physical import MAX_PRECISION
from mesh_defs.contract.types import ColumnType, Kind
from mesh_defs.decode.columns.base import Array, Check, Converter
from mesh_defs.decode.columns.patterns import DECIMAL, UUID
from mesh_defs.decode.refusal import Refusal

_MISFITS: Final = {
    Kind.BIGINT: ("range", "the integer does not fit 64 bits"),
    Kind.INT: ("range", "the integer does not fit 32 bits"),
    Kind.SMALLINT: ("range", "the integer does not fit 16 bits"),
    Kind.FLOAT: ("range", "the number does not fit 32 bits"),
    Kind.STRING: ("utf8", "the text cannot be written in UTF-8"),
}
_NO_MISFIT: Final = ("type", "the value does not fit the column")


class Plain(Converter):
    """A type whose decoded values Arrow takes as they are, and refuses where they do not fit."""

    def __init__(self, type_: ColumnType, *, required: bool, checks: tuple[Check, ...]) -> None:
        super().__init__(type_, required=required, checks=checks)
        self._rule, self._message = _MISFITS.get(type_.kind, _NO_MISFIT)

    def _convert(self, values: Sequence[Any]) -> Array:
        return pa.array(values, self.arrow)

    def _misfit(self) -> Refusal:
        return Refusal(self._rule, self._message)


class Single(Plain):
    """32-bit floats: rounding is their nature, becoming infinite is not."""

    def _convert(self, values: Sequence[Any]) -> Array:
        array = pa.array(values, self.arrow)
        if not pc.all(pc.is_finite(array), min_count=0).as_py():
            raise self._misfit()
        return array


class IntegerKey(Plain):
    """Integers written as the keys of a map, in the only way that JSON writes them as numbers."""

    def _convert(self, values: Sequence[Any]) -> Array:
        text = pa.array(values, pa.string())
        if not pc.all(pc.match_substring_regex(text, r"^(?:0|-?[1-9][0-9]*)$"), min_count=0).as_py():
            raise Refusal("format", "the key is no integer")
        return text.cast(self.arrow)

    def _comparable(self, values: Sequence[Any], array: Array) -> Sequence[Any]:
        del values
        return array.to_pylist()


class Exact(Converter):
    """Decimals, from the characters of a JSON number, or of a string that holds one."""

    def __init__(self, type_: ColumnType, *, required: bool, checks: tuple[Check, ...]) -> None:
        super().__init__(type_, required=required, checks=checks)
        self._size = f"decimal({type_.precision},{type_.scale})"

    def _convert(self, values: Sequence[Any]) -> Array:
        return pa.array([None if value is None else _decimal(value) for value in values], self.arrow)

    def _comparable(self, values: Sequence[Any], array: Array) -> Sequence[Any]:
        del values
        return array.drop_null().to_pylist()

    def _misfit(self) -> Refusal:
        return Refusal("range", f"the number has more digits than {self._size} holds")


def _decimal(raw: msgspec.Raw) -> Decimal | None:
    text = bytes(raw)
    if text == b"null":
        return None
    if text.startswith(b'"'):
        text = _characters(text)
    elif text[:1] in b"{[tf":
        raise Refusal("type", "expected a number, or a string that holds one")
    if not DECIMAL.fullmatch(text):
        raise Refusal("format", "the text is no number as JSON writes it")
    number = Decimal(text.decode())
    if len(text) <= MAX_PRECISION and b"e" not in text and b"E" not in text:
        return number
    # Arrow counts zeros at the end of a fraction as digits, and takes 1e-39 for 0 without a word.
    number = number.normalize(Context(prec=len(text), Emin=MIN_EMIN, Emax=MAX_EMAX))
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -MAX_PRECISION:
        raise OverflowError
    return number


def _characters(text: bytes) -> bytes:
    if b"\\" not in text:
        return text[1:-1]
    try:
        return msgspec.json.decode(text, type=str).encode()
    except UnicodeDecodeError:
        raise Refusal("utf8", "the text is no UTF-8") from None


class Base64(Converter):
    """Bytes, as base64 (RFC 4648, section 4): padded, and with no bits lost."""

    def _convert(self, values: Sequence[Any]) -> Array:
        return pa.array([None if v is None else unbase64(v) for v in values], pa.binary())

    def _comparable(self, values: Sequence[Any], array: Array) -> Sequence[Any]:
        del values
        return array.drop_null().to_pylist()

    def _misfit(self) -> Refusal:
        return Refusal("format", "the text is no base64 (RFC 4648: standard alphabet, padded)")


def unbase64(text: str) -> bytes:
    """Return the bytes that base64 spells.

    Raises:
        ValueError: It is not padded, not of the standard alphabet, or no encoder's spelling.
    """
    data = binascii.a2b_base64(text, strict_mode=True)
    if binascii.b2a_base64(data, newline=False) != text.encode("ascii"):
        # Other spellings of the same bytes would lose what stood in their unused bits.
        raise binascii.Error
    return data


class Uuid(Converter):
    """UUIDs in their canonical form, letters of either case."""

    def _convert(self, values: Sequence[Any]) -> Array:
        if not all(map(UUID.fullmatch, [v for v in values if v is not None])):
            raise self._misfit()
        parts = [None if v is None else bytes.fromhex(v.replace("-", "")) for v in values]
        return pa.ExtensionArray.from_storage(pa.uuid(), pa.array(parts, pa.binary(16)))

    def _misfit(self) -> Refusal:
        return Refusal("format", "the text is no UUID of 8-4-4-4-12 hexadecimal digits")
