"""Rows as changes left them: to the contract's columns, also where the source did not send all of a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pyarrow as pa

from mesh_defs.contract.contract import StreamContract
from mesh_defs.decode import exact
from mesh_defs.decode.columns.base import Array
from mesh_defs.decode.json.codec import JsonCodec
from mesh_defs.decode.payload import Payloads
from mesh_defs.decode.refusal import Refusal

_NO_HEADERS: Final = ()


@dataclass(slots=True, kw_only=True)
class Image:
    """One row as a plain JSON document under the contract.

    Attributes:
        lacks: The fields that the source did not send, with their placeholders; the document is without them.
    """

    document: bytes
    lacks: Mapping[str, Any] = field(default_factory=dict)


class Images:
    """Rows to columns, under one contract.

    What the source did not send is null and stands, as it was written, in `unknown`; `required` does not hold
    for it, because the row has a value there.

    Raises:
        ContractError: The contract demands what cannot be checked.
    """

    def __init__(self, contract: StreamContract) -> None:
        self._required = [column.name for column in contract.columns if column.required]
        self._whole = JsonCodec(contract)
        optional = tuple(replace(column, required=False) for column in contract.columns)
        self._partial = JsonCodec(replace(contract, columns=optional))

    def decode(self, images: Sequence[Image]) -> Payloads:
        """Return the columns of the rows; each is one element of them, or refused."""
        partial = [i for i, image in enumerate(images) if image.lacks]
        if not partial:
            return self._whole.decode([image.document for image in images], _NO_HEADERS)
        whole = [i for i, image in enumerate(images) if not image.lacks]
        found = self._whole.decode([images[i].document for i in whole], _NO_HEADERS)
        others = self._decode_partial([images[i] for i in partial])
        return _merged(len(images), [(whole, found), (partial, others)])

    def _decode_partial(self, images: Sequence[Image]) -> Payloads:
        refused: dict[int, Refusal] = {}
        for position, image in enumerate(images):
            missing = self._missing(image)
            if missing is not None:
                refused[position] = missing
        good = [position for position in range(len(images)) if position not in refused]
        found = self._partial.decode([images[i].document for i in good], _NO_HEADERS)
        for index, position in enumerate(good):
            if index not in found.refused:
                rest = exact.document(found.unknown.get(index, "{}").encode())
                found.unknown[index] = exact.text_of(rest | images[position].lacks)
        return found.placed(good, refused, None)

    def _missing(self, image: Image) -> Refusal | None:
        given = exact.document(image.document)
        for name in self._required:
            if name not in image.lacks and given.get(name) is None:
                word = "null" if name in given else "absent"
                return Refusal("required", f"the field is required, but {word}", f".{name}")
        return None


def _merged(count: int, parts: Sequence[tuple[Sequence[int], Payloads]]) -> Payloads:
    """Return parts of a batch as one, in the batch's order."""
    merged = Payloads()
    order: dict[int, int] = {}
    for positions, part in parts:
        placed = part.placed(positions, {}, None)
        merged.refused |= placed.refused
        merged.unknown |= placed.unknown
        merged.unknown_fields += placed.unknown_fields
        for position in positions:
            if position not in placed.refused:
                order[position] = len(order)
    rows = pa.array([order[i] for i in range(count) if i in order], pa.int64())
    columns = zip(*(part.columns for _, part in parts), strict=True)
    merged.columns = [_concatenated(arrays).take(rows) for arrays in columns]
    return merged


def _concatenated(arrays: Sequence[Array]) -> Array:
    return pa.concat_arrays(arrays)
