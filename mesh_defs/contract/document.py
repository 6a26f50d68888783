"""A YAML file as a tree whose every node knows its line: safe, bounded, without aliases, anchors or tags.

Scalars follow the core schema of YAML 1.2: `2013-01-01` and `yes` are strings, `true` is a boolean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from mesh_defs.contract.report import Report

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 64

Scalar = str | int | float | bool | None

_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_OCTAL_OR_HEX: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Final[dict[str, Scalar]] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"], None),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
    **dict.fromkeys([".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"], float("inf")),
    **dict.fromkeys(["-.inf", "-.Inf", "-.INF"], float("-inf")),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], float("nan")),
}
# Longer than any number that a contract can mean; Python refuses to read integers of more than 4,300 digits.
_MAX_NUMBER: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A value of the document and where it stands.

    Attributes:
        value: A scalar; or a dict of nodes by key; or a tuple of nodes.
        line: Of the value, from 1.
        column: Of the value, from 1.
        where: The place in the document, as `schema[0].properties[2]`.
        text: A scalar as it is written, which keeps the digits that a float loses.
        key: Line and column of the key before the value, in a mapping.
    """

    value: Scalar | dict[str, Node] | tuple[Node, ...]
    line: int
    column: int
    where: str
    text: str = ""
    key: tuple[int, int] | None = field(default=None)

    def get(self, key: str) -> Node | None:
        """Return the value under a key; None where this is no mapping, or holds no such key."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def entries(self) -> dict[str, Node]:
        """Return the keys and values of a mapping; nothing for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    def elements(self) -> tuple[Node, ...]:
        """Return the elements of a sequence; nothing for anything else."""
        return self.value if isinstance(self.value, tuple) else ()

    def string(self, key: str) -> str | None:
        """Return the string under a key; None where there is none."""
        node = self.get(key)
        return node.value if node is not None and isinstance(node.value, str) else None

    def flag(self, key: str) -> bool:
        """Return whether the value under a key is true."""
        node = self.get(key)
        return node is not None and node.value is True

    def plain(self) -> Any:
        """Return the value as plain Python data."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, tuple):
            return [node.plain() for node in self.value]
        return self.value


def read_document(path: Path, report: Report) -> Node | None:
    """Read the one document of a YAML file; report what keeps it from being read.

    Args:
        path: The file, UTF-8, at most 1 MiB.
        report: Takes the findings: syntax, duplicate keys, aliases, anchors, tags, size and depth.

    Returns:
        The document, or None where there is none that could be looked at further.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        report.about_file("unreadable", f"the file cannot be read: {error.strerror}")
        return None
    if len(content) > MAX_BYTES:
        report.about_file("size", f"the file is larger than {MAX_BYTES:,} bytes; split it")
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        report.at(line, 1, "", "encoding", "the file is not UTF-8 from here on; save it as UTF-8")
        return None
    return _compose(text, report)


def _compose(text: str, report: Report) -> Node | None:
    try:
        return _Composer(YAML(typ="safe", pure=True).parse(text), report).document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        report.at(line, column, "", "syntax", f"no YAML: {error.problem or error.context or 'syntax error'}")
    except YAMLError as error:
        report.about_file("syntax", f"no YAML: {str(error).splitlines()[0]}")
    except (ValueError, OverflowError) as error:
        # ruamel's scanner lets them out of escapes beyond Unicode and directives with absurd numbers.
        report.about_file("syntax", f"no YAML: {error}")
    except _TooDeepError as error:
        report.at(error.line, error.column, "", "depth", f"nested deeper than {MAX_DEPTH} levels; flatten it")
    return None


class _TooDeepError(Exception):
    """The document nests too deeply to be looked at."""

    def __init__(self, line: int, column: int) -> None:
        super().__init__(line, column)
        self.line = line
        self.column = column


class _Composer:
    """Turns the parser's events into nodes."""

    def __init__(self, events: Iterator[Event], report: Report) -> None:
        self._events = events
        self._report = report

    def document(self) -> Node | None:
        """Return the first document; more than one is a finding."""
        root: Node | None = None
        documents = 0
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    line, column = _position(event)
                    self._report.at(line, column, "", "documents", "a second document; one file holds one")
                    return root
                root = self._node(next(self._events), "", 0, None)
        if documents == 0:
            self._report.about_file("empty", "the file is empty")
        return root

    def _node(self, event: Event, where: str, depth: int, key: tuple[int, int] | None) -> Node:
        line, column = _position(event)
        if depth > MAX_DEPTH:
            raise _TooDeepError(line, column)
        self._refuse_indirection(event, line, column, where)
        value: Scalar | dict[str, Node] | tuple[Node, ...] = None
        text = ""
        if isinstance(event, MappingStartEvent):
            value = self._mapping(where, depth)
        elif isinstance(event, SequenceStartEvent):
            value = self._sequence(where, depth)
        elif isinstance(event, ScalarEvent):
            text = event.value
            value = self._scalar(event, where)
        return Node(value=value, line=line, column=column, where=where, text=text, key=key)

    def _refuse_indirection(self, event: Event, line: int, column: int, where: str) -> None:
        if isinstance(event, AliasEvent):
            self._report.at(line, column, where, "alias", "aliases are not allowed; write the value out")
        elif isinstance(event, NodeEvent) and event.anchor is not None:
            self._report.at(line, column, where, "anchor", "anchors are not allowed; write the value out")
        if getattr(event, "tag", None) is not None:
            self._report.at(line, column, where, "tag", "tags are not allowed; quote the value if it is text")

    def _mapping(self, where: str, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            key = self._node(event, where, depth + 1, None)
            name = key.value
            place = _below(where, key.text)
            value = self._node(next(self._events), place, depth + 1, (key.line, key.column))
            if not isinstance(name, str):
                self._report.at(key.line, key.column, where, "key", "a key must be text; quote it")
            elif name in entries:
                first = entries[name].key or (0, 0)
                message = f"the key {name!r} stands twice, first in line {first[0]}; remove one"
                self._report.at(key.line, key.column, place, "duplicate-key", message)
            else:
                entries[name] = value
        return entries

    def _sequence(self, where: str, depth: int) -> tuple[Node, ...]:
        elements: list[Node] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            elements.append(self._node(event, f"{where}[{len(elements)}]", depth + 1, None))
        return tuple(elements)

    def _scalar(self, event: ScalarEvent, where: str) -> Scalar:
        text: str = event.value
        if not event.implicit[0]:
            return text
        if text in _WORDS:
            return _WORDS[text]
        number = _INTEGER.fullmatch(text) or _OCTAL_OR_HEX.fullmatch(text) or _FLOAT.fullmatch(text)
        if number is None:
            return text
        if len(text) > _MAX_NUMBER:
            line, column = _position(event)
            message = f"a number of more than {_MAX_NUMBER} characters; quote it if it is text"
            self._report.at(line, column, where, "number", message)
            return text
        if _INTEGER.fullmatch(text):
            return int(text)
        return int(text, 0) if _OCTAL_OR_HEX.fullmatch(text) else float(text)


def _position(event: Event) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _below(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
