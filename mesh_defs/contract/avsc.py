"""The text of an `.avsc`: JSON in which `//` and `/* */` are comments, as Avro's own Java parser reads it.

Avro's parser switches on Jackson's `ALLOW_COMMENTS` and nothing else of what Jackson can forgive
(`org.apache.avro.Schema.Parser`). A repeated key, which Jackson lets pass, is an error here: one of the two would be
lost without a word.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from pathlib import Path
from typing import Any, Final

from mesh_defs.contract.document import Node, Scalar
from mesh_defs.model.errors import ContractError
from mesh_defs.model.findings import shown_path
from mesh_defs.model.text import TextError

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 128
"""Levels of JSON: a record in a record is three of them."""

_MAX_NUMBER: Final = 400
_SPACE: Final = re.compile(r"(?:[ \t\r\n]+|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WORD: Final = re.compile(r"[A-Za-z0-9_$.+-]+")
_WORDS: Final[dict[str, Scalar]] = {"true": True, "false": False, "null": None}


class AvscError(TextError):
    """What is wrong in a schema's text, and where; the caller knows whose text it is."""


def read_avsc(path: Path) -> str:
    """Return the text of an `.avsc` file.

    Raises:
        ContractError: The file cannot be read, is too large, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise avsc_refusal(path, AvscError(error.strerror or "the system refused")) from None
    if len(content) > MAX_BYTES:
        raise avsc_refusal(path, AvscError(f"it is larger than {MAX_BYTES:,} bytes"))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise avsc_refusal(path, AvscError("it is not UTF-8 from here on", line)) from None


def parse_avsc(text: str, source: Path | str) -> Any:
    """Return the schema as plain Python data, for libraries that take it so.

    Args:
        text: The content of an `.avsc` file, or what a registry holds.
        source: The file, or words for where the text comes from, for messages.

    Raises:
        ContractError: The text is no JSON; the message names the line.
    """
    try:
        return avsc_tree(text).plain()
    except AvscError as error:
        raise avsc_refusal(source, error) from None


def avsc_tree(text: str) -> Node:
    """Return the text as a tree whose nodes know their lines.

    Raises:
        AvscError: It is no JSON.
    """
    return _Reader(text).document()


def avsc_refusal(source: Path | str, error: AvscError) -> ContractError:
    """Return the error that refuses a schema, in one line."""
    name = shown_path(source) if isinstance(source, Path) else source
    return ContractError(cannot=f"read the Avro schema {name}", why=str(error), do="mend the schema")


class _Reader:
    """One text, in the reading."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]

    def document(self) -> Node:
        """Return the only value of the text."""
        self._skip()
        if self._at == len(self._text):
            raise AvscError("it is empty")
        node = self._value("", 0, None)
        if self._at < len(self._text):
            raise self._error("something stands behind the end of the schema")
        return node

    def _value(self, where: str, depth: int, key: tuple[int, int] | None) -> Node:
        if depth > MAX_DEPTH:
            raise self._error(f"nested deeper than {MAX_DEPTH} levels")
        line, column = self._place(self._at)
        start = self._at
        value: Scalar | dict[str, Node] | tuple[Node, ...]
        if self._takes("{"):
            value = self._object(where, depth)
        elif self._takes("["):
            value = self._array(where, depth)
        else:
            value = self._scalar()
        text = "" if isinstance(value, dict | tuple) else self._text[start : self._at]
        self._skip()
        return Node(value=value, line=line, column=column, where=where, text=text, key=key)

    def _object(self, where: str, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        self._skip()
        if self._takes("}"):
            return entries
        while True:
            place = self._place(self._at)
            name = self._string("a key in double quotes")
            if name in entries:
                first = (entries[name].key or (0, 0))[0]
                raise AvscError(f"the key {_shown(name)} stands twice, first in line {first}", place[0])
            self._skip()
            self._demand(":", "`:` behind the key")
            self._skip()
            entries[name] = self._value(f"{where}.{name}" if where else name, depth + 1, place)
            if self._takes("}"):
                return entries
            self._demand(",", "`,` or `}`")
            self._skip()

    def _array(self, where: str, depth: int) -> tuple[Node, ...]:
        elements: list[Node] = []
        self._skip()
        if self._takes("]"):
            return ()
        while True:
            elements.append(self._value(f"{where}[{len(elements)}]", depth + 1, None))
            if self._takes("]"):
                return tuple(elements)
            self._demand(",", "`,` or `]`")
            self._skip()

    def _scalar(self) -> Scalar:
        if self._text.startswith('"', self._at):
            return self._string("a text")
        word = _WORD.match(self._text, self._at)
        if word is None:
            raise self._error("a value is expected here")
        if word[0] in _WORDS:
            self._at = word.end()
            return _WORDS[word[0]]
        if not _NUMBER.fullmatch(word[0]):
            raise self._error(f"{_shown(word[0])} is no JSON; a text stands in double quotes")
        if len(word[0]) > _MAX_NUMBER:
            raise self._error(f"a number of more than {_MAX_NUMBER} characters")
        number: int | float = json.loads(word[0])
        if not math.isfinite(number):
            raise self._error("a number that no double holds")
        self._at = word.end()
        return number

    def _string(self, wanted: str) -> str:
        if not self._text.startswith('"', self._at):
            raise self._error(f"{wanted} is expected here")
        found = _STRING.match(self._text, self._at)
        if found is None:
            raise self._error("a text that does not end in its line, or has an unknown escape")
        self._at = found.end()
        text: str = json.loads(found[0])
        return text

    def _skip(self) -> None:
        """Go on to the next token."""
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at
        if self._text.startswith("/*", self._at):
            raise self._error("a comment that does not end")

    def _takes(self, sign: str) -> bool:
        found = self._text.startswith(sign, self._at)
        self._at += found
        return found

    def _demand(self, sign: str, wanted: str) -> None:
        if not self._takes(sign):
            raise self._error(f"{wanted} is expected here")

    def _place(self, at: int) -> tuple[int, int]:
        line = bisect_right(self._lines, at)
        return line, at - self._lines[line - 1] + 1

    def _error(self, message: str) -> AvscError:
        ended = self._at >= len(self._text)
        return AvscError("the text ends too early" if ended else message, self._place(self._at)[0])


_LONGEST: Final = 60


def _shown(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
