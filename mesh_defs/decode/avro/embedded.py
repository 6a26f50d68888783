"""Texts that hold the JSON of an object, an array or a map, as connectors write them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from mesh_defs.contract.types import Column
from mesh_defs.decode import exact
from mesh_defs.decode.json.shape import struct_for
from mesh_defs.decode.json.unknown import NOTHING, leftover_of
from mesh_defs.decode.json.verdicts import REFUSED, verdict
from mesh_defs.decode.refusal import Refusal


class Embedded:
    """Reads such texts as the contract's column wants them; a field that it does not name is refused.

    Args:
        column: The column.
    """

    def __init__(self, column: Column) -> None:
        inner = replace(column, name="v", required=False)
        self._decode = msgspec.json.Decoder(struct_for((inner,), forbid_unknown_fields=False)).decode
        self._leftover = leftover_of((inner,))

    def __call__(self, text: str) -> Any:
        """Return the value as the document's converter takes it.

        Raises:
            Refusal: The text is no JSON, not of the column's type, or has a field that it does not name.
        """
        whole = exact.document(text.encode())  # one value, and nothing behind it
        document = f'{{"v":{text}}}'.encode()
        try:
            (value,) = msgspec.structs.astuple(self._decode(document))
        except REFUSED as error:
            found = verdict(error, document)
            raise Refusal(found.rule, found.message, found.path.removeprefix(".v"), found.stage) from None
        paths: set[str] = set()
        if self._leftover({"v": whole}, "", paths) is not NOTHING:
            path = min(paths).removeprefix(".v")
            raise Refusal(
                "unknown_field", "the contract does not name the field, and a text keeps none", path
            )
        return value
