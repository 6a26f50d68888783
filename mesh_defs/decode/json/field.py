"""One field of JSON documents, read without the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from mesh_defs.decode.framing import Framing
from mesh_defs.decode.json.verdicts import REFUSED, verdict
from mesh_defs.decode.types.readers import Told
from mesh_defs.model.records import Headers

_Tree = dict[str, "_Tree"]


class JsonField:
    """A field that says a document's type: text, or a whole number.

    Args:
        paths: Where the field may stand, the first that says something deciding: its name, and before it the objects
            that it is in.
        framing: What stands before the documents.
    """

    def __init__(self, paths: Sequence[Sequence[str]], framing: Framing) -> None:
        tree: _Tree = {}
        for path in paths:
            branch = tree
            for name in path:
                branch = branch.setdefault(name, {})
        self._decode = msgspec.json.Decoder(_annotation(tree)).decode
        self._steps = [_steps(tree, path) for path in paths]
        self._framing = framing

    def read(self, values: Sequence[bytes], headers: Sequence[Headers | None]) -> Told:
        """Return what the field says in each document; one that cannot be read is refused."""
        frames = self._framing.open(values, headers)
        told = Told(types=[], refused=dict(frames.refused))
        documents: list[Any] = []
        decoded = map(self._decode, frames.payloads)
        while len(documents) < len(values):
            try:
                # As in the codec: what came before a bad document stays, and the iterator goes on after it.
                documents.extend(decoded)
            except REFUSED as error:
                index = len(documents)
                told.refused.setdefault(index, verdict(error, frames.payloads[index]))
                documents.append(None)
        found = [_walk(documents, steps) for steps in self._steps]
        types = found[0] if len(found) == 1 else list(map(_first, *found))
        told.types = [str(said) if isinstance(said, int) else said for said in types]
        return told


def _annotation(tree: _Tree) -> Any:
    """Return the type of a document that holds these fields; a leaf is the type's."""
    if not tree:
        return str | int
    fields = [(f"f{i}", _annotation(below) | None, None) for i, below in enumerate(tree.values())]
    names = {f"f{i}": name for i, name in enumerate(tree)}
    return msgspec.defstruct("Document", fields, rename=names, gc=False)


def _steps(tree: _Tree, path: Sequence[str]) -> list[str]:
    """Return the attributes that lead along a path."""
    steps = []
    for name in path:
        steps.append(f"f{list(tree).index(name)}")
        tree = tree[name]
    return steps


def _walk(documents: Sequence[Any], steps: Sequence[str]) -> list[Any]:
    found = list(documents)
    for step in steps:
        found = [None if outer is None else getattr(outer, step) for outer in found]
    return found


def _first(*found: Any) -> Any:
    return next((said for said in found if said is not None), None)
