"""What an Avro record says beyond its contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from mesh_defs.contract.avro.types import Array, Map, Record, Union
from mesh_defs.contract.types import Column, ColumnType, Kind
from mesh_defs.decode.avro.fit import Aliases, by_branch, members_of
from mesh_defs.decode.avro.nodes import Node
from mesh_defs.decode.avro.text import Text, Texts
from mesh_defs.decode.json.unknown import NOTHING, of_map, unless_null

Leftover: TypeAlias = Callable[[Any, str, "set[str]"], Any]
"""From a value, its path and the set that takes unknown fields' paths, to what the contract does not name.

What is left over is ready for `exact.text_of`.
"""


class Leftovers:
    """Finds what a contract does not name, in records of one writer's schema.

    Args:
        texts: Of the writer's schema.
        aliases: Of its records' fields.
    """

    def __init__(self, texts: Texts, aliases: Aliases) -> None:
        self._texts = texts
        self._aliases = aliases

    def by_field(self, node: Node, columns: Iterable[Column]) -> dict[str, Leftover]:
        """Return, for each member of a record that may hold something unknown, what finds it.

        Args:
            node: The record, or a union whose branches are the columns.
            columns: The members that the contract names.
        """
        places = members_of(node, self._aliases)
        named = {places[column.name]: column for column in columns if column.name in places}
        found: dict[str, Leftover] = {}
        for place, (name, part) in enumerate(zip(node.names, node.parts, strict=True)):
            column = named.get(place)
            below = self._whole(part) if column is None else self._below(part, column.type)
            if below is not None:
                found[name] = below
        return found

    def _text(self, node: Node) -> Text:
        return self._texts.of(node.type, node.above)

    def _whole(self, node: Node) -> Leftover:
        text = self._texts.cut if node.cut else self._text(node)

        def leftover(value: Any, path: str, paths: set[str]) -> Any:
            paths.add(path)
            return text.json(value)

        return leftover

    def _below(self, node: Node, type_: ColumnType) -> Leftover | None:
        """Return what finds unknown content in a value that the contract names; None where there can be none."""
        below: Leftover | None = None
        if type_.kind is Kind.JSON or node.cut:
            return None
        match node.type:
            case Union() if by_branch(node, type_):
                below = _of_members(self.by_field(node, type_.fields), every=False)
            case Union():
                below = self._either(node, type_)
            case Record() if type_.kind is Kind.OBJECT:
                below = _of_members(self.by_field(node, type_.fields), every=True)
            case Array() if type_.kind is Kind.ARRAY and type_.item is not None:
                below = self._of_array(node, type_.item.type)
            case Map() if type_.kind is Kind.MAP and type_.value is not None:
                value = self._below(node.parts[0], type_.value)
                below = None if value is None else _of_entries(value)
        return None if below is None else unless_null(below)

    def _either(self, node: Node, type_: ColumnType) -> Leftover | None:
        found = {name: self._below(part, type_) for name, part in zip(node.names, node.parts, strict=True)}
        branches = {name: below for name, below in found.items() if below is not None}
        if not branches:
            return None

        def leftover(value: Any, path: str, paths: set[str]) -> Any:
            for name, below in branches.items():
                if value.get(name) is not None:
                    return below(value[name], path, paths)
            return NOTHING

        return leftover

    def _of_array(self, node: Node, type_: ColumnType) -> Leftover | None:
        item = self._below(node.parts[0], type_)
        if item is None:
            return None
        text = self._text(node)

        def leftover(value: Any, path: str, paths: set[str]) -> Any:
            parts = [item(element, f"{path}[*]", paths) for element in value]
            return NOTHING if all(part is NOTHING for part in parts) else text.json(value)

        return leftover


def _of_members(members: Mapping[str, Leftover], *, every: bool) -> Leftover | None:
    """Return what finds unknown content in an object.

    Args:
        members: What finds it in the members that may hold some.
        every: Whether a member that is null counts as said: a record's does, a union's other branches do not.
    """
    if not members:
        return None

    def leftover(value: Any, path: str, paths: set[str]) -> Any:
        rest = {
            name: below(value[name], f"{path}.{name}", paths)
            for name, below in members.items()
            if every or value.get(name) is not None
        }
        return {name: left for name, left in rest.items() if left is not NOTHING} or NOTHING

    return leftover


def _of_entries(value: Leftover) -> Leftover:
    of_entries = of_map(value)
    return lambda entries, path, paths: of_entries({e["key"]: e["value"] for e in entries}, path, paths)
