"""Hypothesis strategies of Avro schemas: every type of the specification, nested, named, recursive."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_LOGICAL = (
    {"type": "string", "logicalType": "uuid"},
    {"type": "int", "logicalType": "date"},
    {"type": "int", "logicalType": "time-millis"},
    {"type": "long", "logicalType": "time-micros"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "long", "logicalType": "timestamp-nanos"},
    {"type": "long", "logicalType": "local-timestamp-millis"},
    {"type": "long", "logicalType": "local-timestamp-micros"},
    {"type": "long", "logicalType": "local-timestamp-nanos"},
    {"type": "string", "logicalType": "a-word-of-ones-own"},
    {"type": "long", "logicalType": "date"},
)
_WORDS = ("id", "a", "A", "name", "null", "true", "on", "y", "_", "_offset", "_OP", "e5", "x" * 129)


def names() -> st.SearchStrategy[str]:
    """Names that Avro allows; among them words of YAML, and those that no column can have."""
    return st.sampled_from(_WORDS) | st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True)


@st.composite
def schemas(draw: st.DrawFn, depth: int = 3) -> dict[str, Any]:
    """A record with at least one field."""
    return _Drawing(draw).record(depth)


class _Drawing:
    """One schema, in the drawing: the names of types are used up."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._known: list[str] = []
        self._count = 0

    def record(self, depth: int) -> dict[str, Any]:
        name = self._name(known=True)
        fields = self._draw(st.lists(names(), min_size=1, max_size=5, unique=True))
        return {
            "type": "record",
            **name,
            **self._doc(),
            "fields": [{"name": field, "type": self._type(depth), **self._doc()} for field in fields],
        }

    def _name(self, *, known: bool) -> dict[str, str]:
        """Return a name that is new, with a namespace at times."""
        self._count += 1
        space = self._draw(st.sampled_from(["", "a.b"]))
        if known:
            self._known.append(f"{space}.T{self._count}" if space else f"T{self._count}")
        return {"name": f"T{self._count}", "namespace": space}

    def _doc(self) -> dict[str, str]:
        return {"doc": self._draw(st.text(max_size=9))} if self._draw(st.booleans()) else {}

    def _type(self, depth: int, *, union: bool = True) -> Any:
        leaves = [self._primitive, self._logical, self._decimal, self._enum, self._fixed, self._reference]
        nested = [self.record, self._array, self._map, *([self._union, self._nullable] if union else [])]
        if depth and self._draw(st.booleans()):
            return self._draw(st.sampled_from(nested))(depth - 1)
        return self._draw(st.sampled_from(leaves))()

    def _primitive(self) -> str:
        return self._draw(st.sampled_from(PRIMITIVES))

    def _logical(self) -> dict[str, str]:
        return dict(self._draw(st.sampled_from(_LOGICAL)))

    def _enum(self) -> dict[str, Any]:
        symbols = self._draw(st.lists(names(), min_size=1, max_size=3, unique=True))
        return {"type": "enum", **self._name(known=False), "symbols": symbols}

    def _reference(self) -> str:
        """Return a name that is known wherever it stands, hence one with a namespace."""
        dotted = [name for name in self._known if "." in name]
        return self._draw(st.sampled_from(dotted)) if dotted else "string"

    def _array(self, depth: int) -> dict[str, Any]:
        return {"type": "array", "items": self._type(depth)}

    def _map(self, depth: int) -> dict[str, Any]:
        return {"type": "map", "values": self._type(depth)}

    def _nullable(self, depth: int) -> list[Any]:
        branch = self._type(depth, union=False)
        return ["null"] if branch == "null" else list(self._draw(st.permutations(["null", branch])))

    def _union(self, depth: int) -> list[Any]:
        """Return branches of which a union may hold all: one of each unnamed type, and of each name."""
        kept: dict[str, Any] = {}
        for _ in range(self._draw(st.integers(0, 3))):
            self._branch(depth, kept)
        return list(kept.values())

    def _branch(self, depth: int, kept: dict[str, Any]) -> Any:
        """Draw a branch and keep it, unless there is one like it: then the names that it has made are forgotten."""
        known = list(self._known)
        branch = self._type(depth, union=False)
        if kept.setdefault(_called(branch), branch) is not branch:
            self._known = known
        return branch

    def _decimal(self) -> dict[str, Any]:
        precision = self._draw(st.sampled_from([1, 9, 38, 39]))
        scale = self._draw(st.integers(0, precision))
        return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}

    def _fixed(self) -> dict[str, Any]:
        size = self._draw(st.sampled_from([0, 1, 12, 16]))
        # `fastavro` refuses an invalid decimal, which the specification lets be ignored.
        logical = self._draw(st.sampled_from([None, "uuid", "duration", *(["decimal"] if size else [])]))
        said = {"logicalType": logical, "precision": 2} if logical else {}
        return {"type": "fixed", **self._name(known=False), "size": size, **said}


def _called(branch: Any) -> str:
    if isinstance(branch, str):
        return branch
    space, name = branch.get("namespace"), branch.get("name", branch["type"])
    return f"{space}.{name}" if space else name
