"""One self-contained schema from one that uses the names of others, as registries let schemas do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from mesh_defs.contract.avro.types import PRIMITIVES, simple_name
from mesh_defs.contract.avsc import parse_avsc

_NAMED: Final = frozenset(["record", "error", "enum", "fixed"])
_BELOW: Final = ("type", "items", "values")
_SOURCE: Final = "that others use"


def inlined(text: str, references: Sequence[str]) -> str:
    """Return a schema in which each referenced type is defined where it is first used.

    Args:
        text: A valid schema; returned as it is where it has no references.
        references: The texts of the schemas whose names it uses, in any order.
    """
    if not references:
        return text
    known: dict[str, tuple[dict[str, Any], str]] = {}
    for reference in references:
        known |= {name: (node, space) for name, node, space in _named(parse_avsc(reference, _SOURCE), "")}
    whole = _Inlining(known).expanded(parse_avsc(text, _SOURCE), "")
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


class _Inlining:
    """One schema, in the making."""

    def __init__(self, known: dict[str, tuple[dict[str, Any], str]]) -> None:
        self._known = known
        self._defined: set[str] = set()

    def expanded(self, node: Any, space: str) -> Any:
        """Return a type with its references filled in; `space` is the namespace around it."""
        if isinstance(node, str):
            return self._by_name(node, space)
        if isinstance(node, list):
            return [self.expanded(element, space) for element in node]
        if not isinstance(node, dict):
            return node
        if _defines(node):
            return self._definition(node, space)
        return self._members(node, space)

    def _members(self, node: dict[str, Any], space: str) -> dict[str, Any]:
        return {key: self._member(key, value, space) for key, value in node.items()}

    def _member(self, key: str, value: Any, space: str) -> Any:
        if key == "fields":
            return [{**field, "type": self.expanded(field["type"], space)} for field in value]
        return self.expanded(value, space) if key in _BELOW else value

    def _definition(self, node: dict[str, Any], space: str) -> Any:
        name, inner = _names(node, space)
        if name in self._defined:
            return name
        self._defined.add(name)
        said = {"type": node["type"], "name": simple_name(name), "namespace": inner}
        rest = {key: value for key, value in node.items() if key not in said}
        return {**said, **self._members(rest, inner)}

    def _by_name(self, name: str, space: str) -> Any:
        full = _full(name, space)
        if name in PRIMITIVES or name in _NAMED or name in ("array", "map"):
            return name
        if full in self._defined or full not in self._known:
            return full
        return self._definition(*self._known[full])


def _named(node: Any, space: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield every definition below a type: its full name, itself, and the namespace around it."""
    if isinstance(node, list):
        for element in node:
            yield from _named(element, space)
    if not isinstance(node, dict):
        return
    if _defines(node):
        name, inner = _names(node, space)
        yield name, node, space
        space = inner
    for key in _BELOW:
        yield from _named(node.get(key), space)
    for field in node.get("fields", ()):
        yield from _named(field["type"], space)


def _defines(node: dict[str, Any]) -> bool:
    return isinstance(node.get("type"), str) and node["type"] in _NAMED


def _names(node: dict[str, Any], space: str) -> tuple[str, str]:
    """Return a definition's full name and the namespace within it."""
    said = node["name"]
    full = said if "." in said else _full(said, node.get("namespace", space))
    return full, full.rpartition(".")[0]


def _full(name: str, space: str) -> str:
    return name if "." in name or not space else f"{space}.{name}"
