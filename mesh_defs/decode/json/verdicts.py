"""What the strict decoder's errors mean, without a word of the payload."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from mesh_defs.decode import exact
from mesh_defs.decode.refusal import Refusal
from mesh_defs.model.records import Stage

REFUSED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""All that msgspec raises over a document."""

_PLACED: Final = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?", re.DOTALL)
_TYPES: Final = re.compile(r"Expected `([a-z| ]+)`, got `([a-z]+)`")
_MISSING: Final = re.compile(r"Object missing required field `([A-Za-z0-9_]+)`")
_SYNTAX: Final = re.compile(r"JSON is malformed: ([^`\"]+ \(byte [0-9]+\))")

_WORDS: Final = {
    "int": "integer",
    "float": "number",
    "str": "string",
    "bool": "boolean",
    "date": "date",
    "array": "array",
    "object": "object",
    "null": "null",
}
_RANGE: Final = ("Number out of range", "Integer value out of range")


def verdict(error: Exception, value: bytes) -> Refusal:
    """Return why a document was refused.

    Args:
        error: One of `REFUSED`.
        value: The document; only its length is looked at.
    """
    if isinstance(error, msgspec.ValidationError):
        return _invalid(str(error))
    if isinstance(error, UnicodeDecodeError):
        return Refusal("utf8", "the document is no UTF-8", stage=Stage.DECODE)
    if isinstance(error, RecursionError):
        return exact.too_deep()
    return Refusal("json_syntax", _syntax(str(error), value), stage=Stage.DECODE)


def _syntax(text: str, value: bytes) -> str:
    if not value:
        return "the value is empty: zero bytes are no JSON"
    match = _SYNTAX.fullmatch(text)
    if match is not None:
        return f"the value is no JSON: {match[1]}"
    return "the value is no JSON: it ends too early, or in the middle of a character's escape"


def _invalid(text: str) -> Refusal:
    placed = _PLACED.fullmatch(text)
    what, path = (placed["what"], placed["path"] or "") if placed else (text, "")
    if (missing := _MISSING.fullmatch(what)) is not None:
        return Refusal("required", "the field is required, but absent", f"{path}.{missing[1]}")
    if (types := _TYPES.fullmatch(what)) is not None:
        return _mistyped(types[1], types[2], path)
    if what in _RANGE:
        return Refusal("range", "the number is beyond what its type holds", path)
    if what == "Invalid RFC3339 encoded date":
        return Refusal("format", "the text is no date as RFC 3339 writes it: yyyy-mm-dd", path)
    return Refusal("type", "the value is not of the declared type", path)


def _mistyped(expected: str, got: str, path: str) -> Refusal:
    if got == "null" and path:
        return Refusal("required", "the field is required, but null", path)
    wanted = " or ".join(_WORDS.get(word, word) for word in expected.split(" | ") if word != "null")
    return Refusal("type", f"expected {wanted}, got {_WORDS.get(got, got)}", path)
